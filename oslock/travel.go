package oslock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Every kind of handle can be sent to another process of this machine, within any value that is encoded with
// msgpack, JSON or another encoding that knows encoding.TextMarshaler: it travels as its path, and what
// arrives is a handle of its own, open, which its receiver closes. Functions stay at home: there is
// no Repair and no Action in what arrives, so who decodes a lock is told of ErrOwnerDied. Nobody travels
// holding: the owner of a lock is a process, and is not changed by sending it.
//
// The text is the kind, its properties, a space, and the path:
//
//	lock /dev/shm/yunta-1000/inventory
//	semaphore+undo+bounded /dev/shm/yunta-1000/printers
//	barrier+5 /dev/shm/yunta-1000/phases
//	condition /dev/shm/yunta-1000/changed NUL lock /dev/shm/yunta-1000/inventory

// errInUse refuses to decode into a handle that is open.
var errInUse = errors.New("oslock: decoding into a handle that is open")

// travelText is what a handle travels as.
func (h *handle) travelText(kind string) ([]byte, error) {
	if h.file.Load() == nil {
		return nil, errors.New("oslock: encoding a handle that was never opened")
	}
	if h.isClosed() {
		return nil, h.errorf("encode", ErrClosed)
	}
	return []byte(kind + " " + h.path), nil
}

// arrive takes apart what travelText made, for decoding into h.
func (h *handle) arrive(text []byte, kind string) (properties []string, path string, err error) {
	if h.file.Load() != nil {
		return nil, "", errInUse
	}
	head, path, ok := strings.Cut(string(text), " ")
	properties = strings.Split(head, "+")
	if !ok || properties[0] != kind {
		return nil, "", fmt.Errorf("%w: decoding %.100q, want a %s", ErrMismatch, text, kind)
	}
	if !strings.HasPrefix(path, "/") {
		return nil, "", fmt.Errorf("%w: decoding %.100q: not an absolute path", ErrName, text)
	}
	return properties[1:], path, nil
}

// MarshalText returns what the lock travels as: see [Lock.UnmarshalText].
func (l *Lock) MarshalText() ([]byte, error) { return l.h.travelText("lock") }

// UnmarshalText opens the lock that travelled, without Repair. The receiver closes it.
func (l *Lock) UnmarshalText(text []byte) error {
	_, path, err := l.h.arrive(text, "lock")
	if err != nil {
		return err
	}
	return l.open(path, LockOptions{})
}

// MarshalText returns what the lock travels as. The handle that arrives is another owner.
func (r *RLock) MarshalText() ([]byte, error) {
	if r.lock == nil {
		return (&handle{}).travelText("")
	}
	return r.lock.MarshalText()
}

// UnmarshalText opens the lock that travelled, without Repair. The receiver closes it.
func (r *RLock) UnmarshalText(text []byte) error {
	if r.lock != nil {
		return errInUse
	}
	_, path, err := (&handle{}).arrive(text, "lock")
	if err != nil {
		return err
	}
	return r.open(path, LockOptions{})
}

// MarshalText returns what the lock travels as: see [RWLock.UnmarshalText].
func (rw *RWLock) MarshalText() ([]byte, error) { return rw.h.travelText("rwlock") }

// UnmarshalText opens the lock that travelled, without Repair. The receiver closes it.
func (rw *RWLock) UnmarshalText(text []byte) error {
	_, path, err := rw.h.arrive(text, "rwlock")
	if err != nil {
		return err
	}
	return rw.open(path, LockOptions{})
}

// MarshalText returns what the semaphore travels as: see [Semaphore.UnmarshalText].
func (s *Semaphore) MarshalText() ([]byte, error) {
	kind := "semaphore"
	if f := s.h.file.Load(); f != nil {
		if f.head.kind == kindUndo {
			kind += "+undo"
		}
		if f.head.bounded {
			kind += "+bounded"
		}
	}
	return s.h.travelText(kind)
}

// UnmarshalText opens the semaphore that travelled. The receiver closes it.
func (s *Semaphore) UnmarshalText(text []byte) error {
	properties, path, err := s.h.arrive(text, "semaphore")
	if err != nil {
		return err
	}
	o := SemaphoreOptions{}
	for _, p := range properties {
		switch p {
		case "undo":
			o.Undo = true
		case "bounded":
			o.Bounded = true
		default:
			return fmt.Errorf("%w: decoding %.100q", ErrVersion, text)
		}
	}
	// One unlinked meanwhile is made anew without permits: whoever unlinked it wants nobody to go on.
	return s.open(path, 0, o)
}

// MarshalText returns what the event travels as: see [Event.UnmarshalText].
func (e *Event) MarshalText() ([]byte, error) { return e.h.travelText("event") }

// UnmarshalText opens the event that travelled. The receiver closes it.
func (e *Event) UnmarshalText(text []byte) error {
	_, path, err := e.h.arrive(text, "event")
	if err != nil {
		return err
	}
	return e.open(path, EventOptions{})
}

// MarshalText returns what the barrier travels as: see [Barrier.UnmarshalText].
func (b *Barrier) MarshalText() ([]byte, error) {
	return b.h.travelText("barrier+" + strconv.Itoa(b.Parties()))
}

// UnmarshalText opens the barrier that travelled, without Action and Timeout. The receiver closes it.
func (b *Barrier) UnmarshalText(text []byte) error {
	properties, path, err := b.h.arrive(text, "barrier")
	if err != nil {
		return err
	}
	if len(properties) != 1 {
		return fmt.Errorf("%w: decoding %.100q", ErrVersion, text)
	}
	parties, err := strconv.Atoi(properties[0])
	if err != nil {
		return fmt.Errorf("oslock: decoding %.100q: %w", text, err)
	}
	return b.open(path, parties, BarrierOptions{})
}

// MarshalText returns what the condition and its lock travel as: see [Condition.UnmarshalText].
func (c *Condition) MarshalText() ([]byte, error) {
	text, err := c.h.travelText("condition")
	if err != nil {
		return nil, err
	}
	lock, err := c.lock.MarshalText()
	return append(append(text, 0), lock...), err
}

// UnmarshalText opens the condition that travelled, and its lock, which [Condition.Lock] returns. The
// receiver closes both. A lock that travelled beside it is another handle of the same lock.
func (c *Condition) UnmarshalText(text []byte) error {
	condition, lock, _ := strings.Cut(string(text), "\x00")
	_, path, err := c.h.arrive([]byte(condition), "condition")
	if err != nil {
		return err
	}
	l := &Lock{}
	if err := l.UnmarshalText([]byte(lock)); err != nil {
		return err
	}
	if err := c.open(l, path, ConditionOptions{}); err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}
