//go:build linux && !portable

package futex

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An interrupt must reach a goroutine that is in the kernel already, not only
// one that has yet to look at stop.
func TestInterruptAsleep(t *testing.T) {
	t.Parallel()
	for name, sleeper := range sleepers {
		for range 10 {
			s := sleeper(new(atomic.Uint32))
			call := fmt.Sprintf("%d ", unix.SYS_FUTEX)
			if !s.plain {
				call = fmt.Sprintf("%d ", unix.SYS_FUTEX_WAITV)
			}
			thread, done := make(chan int, 1), make(chan struct{})
			go func() {
				defer close(done)
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				thread <- unix.Gettid()
				for !s.Interrupted() {
					s.Sleep(0, time.Hour)
				}
				s.Leave()
			}()
			path := fmt.Sprintf("/proc/self/task/%d/syscall", <-thread)
			for { // until it is in that call (proc(5): its number comes first)
				b, err := os.ReadFile(path)
				if err != nil {
					s.Interrupt()
					t.Skipf("where a thread is cannot be read: %v", err)
				}
				if strings.HasPrefix(string(b), call) {
					break
				}
				runtime.Gosched()
			}
			s.Interrupt()
			wait(t, done, name)
		}
	}
}
