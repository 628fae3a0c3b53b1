package ipc

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helpers are the parts that the test binary can play when it is started as
// another process. Each is registered beside the test that starts it.
var helpers = map[string]func(args []string){}

func addHelper(name string, part func(args []string)) bool {
	helpers[name] = part
	return true
}

// helpersUsed are those that a test has started; an unused one fails the run.
var helpersUsed sync.Map

func TestMain(m *testing.M) {
	if name := os.Getenv("YUNTA_IPC_HELPER"); name != "" {
		h := helpers[name]
		if h == nil {
			fmt.Fprintln(os.Stderr, "no such helper:", name)
			os.Exit(2)
		}
		h(os.Args[1:])
		os.Exit(0)
	}
	base := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "ipc-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Setenv("YUNTA_DIR", dir)
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" &&
		flag.Lookup("test.list").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" {
		for name := range helpers {
			if _, used := helpersUsed.Load(name); !used {
				fmt.Fprintln(os.Stderr, "no test starts the helper", name)
				code = 1
			}
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// testRand returns a source of numbers whose seed is printed, and taken from
// YUNTA_TEST_SEED if that is set.
func testRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("YUNTA_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
