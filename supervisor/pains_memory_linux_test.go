//go:build linux && !portable

package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

// large makes a result of that many bytes, each of which says where it stands.
var large = child.Register("large", func(_ context.Context, size int) ([]byte, error) {
	b := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		b[i] = byte(i >> 12)
	}
	b[size-1] = 77
	return b, nil
})

var largeString = child.Register("large-string", func(_ context.Context, size int) (string, error) {
	return strings.Repeat("0123456789abcdef", size/16), nil
})

// hugeHelper says how much memory it had at the most, beyond what it had
// before and beyond the results: of args[0] MiB, args[1] of them.
var hugeHelper = helper("huge", func(args []string) int {
	mib, _ := strconv.Atoi(args[0])
	n, _ := strconv.Atoi(args[1])
	size := mib << 20
	ctx := context.Background()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for range n {
		got, err := supervisor.Apply(ctx, p, large, size)
		if err != nil || len(got) != size || got[size-1] != 77 {
			fmt.Println(len(got), err)
			return 1
		}
		for i := 0; i < size-1; i += 4096 {
			if got[i] != byte(i>>12) || got[i+1] != 0 {
				fmt.Println("damaged at", i)
				return 1
			}
		}
	}
	fmt.Println("over", int(peakMemory())>>20-mib)
	// Text goes the same way.
	if s, err := supervisor.Apply(ctx, p, largeString, 80<<20); err != nil || s != strings.Repeat("0123456789abcdef", 5<<20) {
		fmt.Println(len(s), err)
		return 1
	}
	p.Close()
	p.Wait(ctx)
	return 0
})

// A 3 GiB []byte result arrives with peak parent memory under result + 64 MiB:
// 1 GiB of it where there is no time for more.
func TestPain13LargeResult(t *testing.T) {
	mib := 1 << 10
	if os.Getenv("YUNTA_TORTURE") != "" {
		mib *= 3
	}
	helpersPlayed.Store(hugeHelper, true) // or not, for one of these reasons
	switch {
	case testing.Short() || raceEnabled:
		t.Skip("takes gigabytes, and more under the race detector")
	case memoryField("/proc/meminfo", "MemAvailable:") < float64(mib<<20)*4:
		t.Skipf("takes up to %d MiB of memory, which are not there", 3*mib)
	}
	h := command(t, hugeHelper, strconv.Itoa(mib), "1")
	h.start()
	over, err := strconv.Atoi(h.say("over "))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a result of %d MiB: %d MiB beyond it at the most", mib, over)
	if over >= 64 {
		t.Errorf("peak of memory is %d MiB beyond the result of %d MiB, want less than 64", over, mib)
	}
	if code := h.wait(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
