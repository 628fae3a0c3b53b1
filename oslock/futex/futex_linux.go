//go:build linux && !portable

package futex

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel versions: futex(2) 2.6, futex_waitv(2) 5.16. A sandbox may filter the
// second: then the sleeper falls back to the first.

const native = true

const (
	opWait = 0 // FUTEX_WAIT, on a word that processes share
	opWake = 1 // FUTEX_WAKE

	size32      = 2   // FUTEX2_SIZE_U32
	privateFlag = 128 // FUTEX2_PRIVATE and FUTEX_PRIVATE_FLAG: the word is this process's alone
)

// Wake wakes up to n sleepers on word and returns how many there were. It costs
// a system call; a word that is no longer mapped has no sleepers.
func Wake(word *atomic.Uint32, n int) int { return wake(word, opWake, n) }

func wake(word *atomic.Uint32, op uintptr, n int) int {
	got, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op,
		uintptr(min(n, math.MaxInt32)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(got)
}

// Sleeper is one goroutine's means to sleep on one word, and everybody else's to
// end that sleep. Sleep and Leave belong to the one goroutine; Interrupt may be called
// from any.
type Sleeper struct {
	word *atomic.Uint32
	// stop is 0, and 1 after Interrupt: with futex_waitv the kernel waits on it too.
	stop  atomic.Uint32
	left  atomic.Bool // Leave was called: Interrupt has nothing more to do
	plain bool        // without futex_waitv
}

// NewSleeper returns a Sleeper for word. Call Leave when the waiting is over.
func NewSleeper(word *atomic.Uint32) *Sleeper {
	return &Sleeper{word: word, plain: !hasWaitv()}
}

// NewPlainSleeper is [NewSleeper] as on a kernel before 5.16: Interrupt works by waking
// everybody who sleeps on the word, again and again until the right one has noticed.
// The others see a wake-up without a reason, which every caller must bear anyway.
func NewPlainSleeper(word *atomic.Uint32) *Sleeper {
	return &Sleeper{word: word, plain: true}
}

// Sleep sleeps while word holds val, at most for d, and reports whether it was woken
// by [Wake] (or might have been). It returns at once when the word holds another value
// and after Interrupt.
func (s *Sleeper) Sleep(val uint32, d time.Duration) (woken bool) {
	if s.stop.Load() != 0 || d <= 0 {
		return false
	}
	if s.plain {
		timeout := unix.NsecToTimespec(int64(d))
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(s.word)), opWait,
			uintptr(val), uintptr(unsafe.Pointer(&timeout)), 0, 0)
		return errno == 0
	}
	// futex_waitv wants an absolute time.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return false
	}
	end := unix.NsecToTimespec(now.Nano() + int64(d))
	// s is on the heap (Interrupt is called from elsewhere), so the address of
	// stop stays; the word is mapped or on the heap, and KeepAlive holds both.
	waiters := [2]waitv{
		{val: uint64(val), addr: uint64(uintptr(unsafe.Pointer(s.word))), flags: size32},
		{val: 0, addr: uint64(uintptr(unsafe.Pointer(&s.stop))), flags: size32 | privateFlag},
	}
	index, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&waiters[0])), 2, 0,
		uintptr(unsafe.Pointer(&end)), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(s)
	return errno == 0 && index == 0
}

// Interrupt ends the sleep, now and in future: every Sleep returns at once from here on.
func (s *Sleeper) Interrupt() {
	s.stop.Store(1)
	if !s.plain {
		// Private like the wait: the kernel keeps the two kinds of waiters apart.
		wake(&s.stop, opWake|privateFlag, 1)
		return
	}
	// The sleeper may be between its look at stop and the kernel, where a wake-up
	// misses it: so again until it has left.
	for pause := 20 * time.Microsecond; !s.left.Load(); pause = min(2*pause, time.Millisecond) {
		Wake(s.word, math.MaxInt32)
		time.Sleep(pause)
	}
}

// Interrupted reports whether Interrupt was called.
func (s *Sleeper) Interrupted() bool { return s.stop.Load() != 0 }

// Leave says that Sleep will not be called again.
func (s *Sleeper) Leave() { s.left.Store(true) }

// waitv is struct futex_waitv of linux/futex.h.
type waitv struct {
	val, addr uint64
	flags, _  uint32
}

// hasWaitv probes with no words at all, which a kernel that has the call refuses
// as invalid.
var hasWaitv = sync.OnceValue(func() bool {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0, 0)
	return errno == unix.EINVAL
})
