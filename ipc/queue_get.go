package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

func (q *Queue[T]) get(ctx context.Context, wait bool) (v T, err error) {
	if q.plain {
		err = q.f.get(ctx, wait, func(payload []byte) (err error) {
			v, err = q.decode(payload)
			return err
		})
		return v, err
	}
	// T's own code: not under the lock.
	buf := queueBuffers.Get().(*[]byte)
	defer dropBuffer(buf)
	err = q.f.get(ctx, wait, func(payload []byte) error {
		*buf = append((*buf)[:0], payload...)
		return nil
	})
	if err == nil {
		v, err = q.decode(*buf)
	}
	return v, err
}

func (q *Queue[T]) decode(payload []byte) (T, error) {
	v, rest, err := q.codec.Decode(payload)
	if err == nil && len(rest) > 0 {
		var zero T
		return zero, fmt.Errorf("%w: queue: %d bytes after the value", ErrDecode, len(rest))
	}
	return v, err
}

// get takes an item out and gives its payload to sink, under the lock "get". The item is gone even if
// sink fails.
func (f *queueFile) get(ctx context.Context, wait bool, sink func(payload []byte) error) error {
	return f.use(func() error {
		err := f.tryGet(ctx, sink)
		if wait && errors.Is(err, ErrEmpty) {
			err = f.getLine.wait(ctx, f.gone, func() error { return f.tryGet(ctx, sink) }, ErrEmpty, f.notEmpty)
		}
		return err
	})
}

func (f *queueFile) notEmpty() bool {
	head := qpos(f.head.Load()).count()
	return f.back.Load() != 0 || head != qpos(f.oldTail.Load()).count() || head != qpos(f.tail.Load()).count()
}

// tryGet is get without waiting for more than the lock. An empty queue is ErrEmpty itself.
func (f *queueFile) tryGet(ctx context.Context, sink func(payload []byte) error) error {
	return f.take(ctx, func() error {
		if i := f.oldestBack(); i >= 0 {
			return f.takeBack(i, sink)
		}
		at, payload, next, err := f.front()
		if err != nil {
			return err
		}
		err = sink(payload)
		step("item read")
		f.moveHead(at, next)
		return err
	})
}

// take calls f under the lock "get" if there may be something to take, and wakes one who puts if it took
// something.
func (f *queueFile) take(ctx context.Context, call func() error) error {
	closed := f.closed.Load() != 0 // first: nothing is put after it
	if !f.notEmpty() && !f.recovered() {
		if closed {
			return ErrClosed
		}
		return ErrEmpty
	}
	if f.leased.Load() != 0 && f.gets.Add(1)%64 == 0 {
		f.recovered()
	}
	if err := f.getLock.Lock(ctx); err != nil {
		return lockFailed(ctx, err, ErrEmpty)
	}
	err := f.takeLocked(call)
	if errors.Is(err, ErrEmpty) {
		if closed {
			return ErrClosed
		}
		return err
	}
	f.putLine.notify()
	return err
}

func (f *queueFile) takeLocked(call func() error) error {
	defer func() { _ = f.getLock.Unlock() }() // it is held
	return call()
}

// front returns the next record: its position, its payload, and the position after it. It runs under
// the lock "get".
func (f *queueFile) front() (at qpos, payload []byte, next qpos, err error) {
	head, tail := qpos(f.head.Load()), qpos(f.oldTail.Load())
	if head.count() == tail.count() {
		tail = qpos(f.tail.Load())
		f.oldTail.Store(uint64(tail))
		if head.count() == tail.count() {
			return 0, nil, 0, ErrEmpty
		}
	}
	extent := head.extent()
	offset, inside := head.offset()
	for range maxQueueExtents {
		b, err := f.bytes(extent)
		if err != nil {
			return 0, nil, 0, err
		}
		word := recordMoved
		if inside && offset <= len(b)-recordHeader {
			word = binary.NativeEndian.Uint64(b[offset:])
		}
		if extent != tail.extent() && word == recordMoved {
			extent, offset, inside = int(f.entry(extent).next.Load()%maxQueueExtents), 0, true
			continue
		}
		at = makePos(head.count(), extent, offset)
		if payload, err = recordAt(b, at); err != nil {
			return 0, nil, 0, err
		}
		return at, payload, makePos(head.count()+1, extent, offset+recordHeader+(len(payload)+7)&^7), nil
	}
	return 0, nil, 0, fmt.Errorf("%w: queue: its extents form a ring", ErrCorrupt)
}

// recordAt returns the payload of the record at a position in its extent b.
func recordAt(b []byte, at qpos) ([]byte, error) {
	offset, inside := at.offset()
	if inside && offset <= len(b)-recordHeader {
		word := binary.NativeEndian.Uint64(b[offset:])
		n, from := word&recordSize, offset+recordHeader
		if word&^uint64(recordSize) == recordMark && n <= uint64(len(b)-from) {
			return b[from : from+int(n) : from+int(n)], nil
		}
	}
	return nil, fmt.Errorf("%w: queue: no record at %d of extent %d", ErrCorrupt, offset, at.extent())
}

// moveHead takes the item before next out.
func (f *queueFile) moveHead(at, next qpos) {
	left := qpos(f.head.Load()).extent() != at.extent()
	f.head.Store(uint64(next))
	step("item taken")
	if left {
		f.trim()
	}
}
