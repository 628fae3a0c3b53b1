package mapped

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// FaultError is a touch of mapped memory that has nothing behind it: the file
// was truncated, the file system is full, or the device failed.
type FaultError struct {
	Addr uintptr // where the access went
}

// Error says what usually causes it.
func (e *FaultError) Error() string {
	return fmt.Sprintf("mapped: memory at %#x is gone: the file was truncated, or its file system is full", e.Addr)
}

// Guard runs f and returns its error. A fault of mapped memory inside f ends f
// there and is returned as a *[FaultError]; every other panic passes through,
// a nil dereference too. The deferred calls of f run, so what it locked with a
// deferred unlock is unlocked. Goroutines that f starts are not guarded. Guards
// may nest. Costs about 10 ns.
func Guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	done := false
	defer func() {
		debug.SetPanicOnFault(old)
		if done {
			return
		}
		// recover keeps no stack of its own, so only a fault is recovered for
		// good: anything else is raised again, its first stack printed with it.
		// A Goexit inside f arrives here too, with a nil panic, and goes on.
		switch p := recover().(type) {
		case nil:
		case faulter:
			err = &FaultError{Addr: p.Addr()}
		default:
			panic(p)
		}
	}()
	err = f()
	done = true
	return err
}

// faulter is what the runtime panics with under SetPanicOnFault (see
// runtime/debug.SetPanicOnFault: "Addr() uintptr").
type faulter interface {
	runtime.Error
	Addr() uintptr
}
