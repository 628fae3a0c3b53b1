package oslock

import (
	"context"
	"io/fs"
	"math"
	"runtime"
	"sync"

	"yunta/oslock/futex"
)

// EventOptions are the settings of an [Event]. The zero value is the recommended one.
type EventOptions struct {
	// Mode is the permission of a new file, before the umask; 0 means 0600, the user alone.
	Mode fs.FileMode
}

// Event is a flag that processes wait for: Python's multiprocessing.Event with a name. It starts unset. Set
// releases everybody who waits, also those who get to run only after somebody has cleared it again; while
// it is set nobody waits.
//
// An Event has no owner, so no death needs to be noticed: one who is killed over Set has set it or has
// not. It may be used by any number of goroutines, and by several users if Mode lets them. It must not be
// copied. In other processes, open the same name.
//
// Asking, and waiting for what is set, is one load.
type Event struct{ h handle }

// The word of an event:
//
//	bit 31     W: somebody sleeps
//	bits 1-30  how often it was set, wrapping: who waits leaves when this has changed
//	bit 0      it is set
//
// Set puts bit 0 on, counts, takes W off and wakes everybody if it was on. Clear takes bit 0 off. Setting what is
// set, and clearing what is not, changes nothing.
const (
	bitSet      = 1
	timesSetAt  = 1
	timesSetOne = 1 << timesSetAt
)

func timesSet(v uint32) uint32 { return v &^ bitW >> timesSetAt }

// eventState has the waiting goroutines of this process. They began to wait at different counts, so the one who
// sleeps for all may have to sleep on when others may go.
type eventState struct {
	mu    sync.Mutex // guards seats
	seats map[*eventSeat]struct{}
}

type eventSeat struct {
	first  uint32 // the word when it began to wait
	called chan struct{}
}

// passed reports whether the event is set, or has been since first.
func passed(v, first uint32) bool { return v&bitSet != 0 || timesSet(v) != timesSet(first) }

// sit enters a goroutine. The word is read where callPassed cannot be in between.
func (s *eventState) sit(f *sharedFile) *eventSeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	seat := &eventSeat{first: f.word.Load(), called: make(chan struct{}, 1)}
	s.seats[seat] = struct{}{}
	return seat
}

func (s *eventState) rise(seat *eventSeat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seats, seat)
}

// callPassed calls those who need not wait any more, by the word v.
func (s *eventState) callPassed(v uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seat := range s.seats {
		if passed(v, seat.first) {
			select {
			case seat.called <- struct{}{}:
			default:
			}
		}
	}
}

// OpenEvent opens the event of that name, and makes it, unset, where there is none. Names and errors are
// those of [OpenLock], but for [ErrOtherRegistry]: an event names nobody.
func OpenEvent(name string, o EventOptions) (*Event, error) {
	e := &Event{}
	if err := e.open(name, o); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Event) open(name string, o EventOptions) error {
	return e.h.open(name, header{kind: kindEvent}, o.Mode)
}

// IsSet reports whether the event is set; of a closed handle, false.
func (e *Event) IsSet() bool {
	f := e.h.file.Load()
	if f == closedFile {
		return false
	}
	set := false
	_ = f.guard(func() error { set = f.word.Load()&bitSet != 0; return nil })
	return set
}

// Set sets the event and wakes everybody who waits. Setting it again does nothing.
func (e *Event) Set() error {
	f := e.h.file.Load()
	if f == closedFile {
		return e.h.errorf("set", ErrClosed)
	}
	f.order.released()
	return f.guard(func() error {
		for {
			v := f.word.Load()
			if v&bitSet != 0 {
				return nil
			}
			if f.word.CompareAndSwap(v, (v+timesSetOne)&^bitW|bitSet) {
				step("set")
				if v&bitW != 0 {
					futex.Wake(f.word, math.MaxInt32)
				}
				return nil
			}
		}
	})
}

// Clear makes the event unset. Who waits already, and for what was set before, is not held up.
func (e *Event) Clear() error {
	f := e.h.file.Load()
	if f == closedFile {
		return e.h.errorf("clear", ErrClosed)
	}
	return f.guard(func() error {
		for {
			v := f.word.Load()
			if v&bitSet == 0 || f.word.CompareAndSwap(v, v&^bitSet) {
				return nil
			}
		}
	})
}

// Wait waits until the event is set. The end of the context, or Close, ends the wait at once, with their
// error; an event that is set needs no waiting, even if the context has ended. Python's timeout is a
// context with a deadline.
func (e *Event) Wait(ctx context.Context) error {
	f := e.h.file.Load()
	if f == closedFile {
		return e.h.errorf("wait", ErrClosed)
	}
	if err := f.guard(func() error { return e.h.waitSet(ctx, f) }); err != nil {
		return f.errorf("wait", err)
	}
	runtime.KeepAlive(f)
	f.order.acquired()
	return nil
}

func (h *handle) waitSet(ctx context.Context, f *sharedFile) error {
	if f.word.Load()&bitSet != 0 {
		return nil
	}
	seat := f.event.sit(f)
	defer f.event.rise(seat)
	w, err := h.enterUnless(ctx, &f.place, seat.called)
	if w == nil {
		return err
	}
	defer w.leave()
	for {
		v := f.word.Load()
		f.event.callPassed(v)
		if passed(v, seat.first) {
			return nil
		}
		if err := w.over(); err != nil {
			return err
		}
		if v&bitW == 0 && !f.word.CompareAndSwap(v, v|bitW) {
			continue
		}
		step("about to sleep")
		w.due() // nobody to look for: only the end of the sleep is set
		w.sleep(v | bitW)
		step("slept")
	}
}

// String says whether the event is set.
func (e *Event) String() string {
	if e.IsSet() {
		return "Event " + e.h.path + ": set"
	}
	return "Event " + e.h.path + ": unset"
}

// File returns the absolute path of the event's file, which is its name for every other process.
func (e *Event) File() string { return e.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], and so does every later
// call. Closing again does nothing.
func (e *Event) Close() error { return e.h.close() }
