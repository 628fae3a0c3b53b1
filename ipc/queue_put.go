package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

func (q *Queue[T]) put(ctx context.Context, v T, wait bool) error {
	if q.plain {
		if n := q.codec.Size(v); n >= 0 {
			return q.f.put(ctx, wait, n, func(dst []byte) (int, error) {
				out, err := q.codec.Append(dst[:0], v)
				return len(out), err
			})
		}
	}
	// T's own code, or an encoding of unknown length: not under the lock.
	buf := queueBuffers.Get().(*[]byte)
	defer dropBuffer(buf)
	b, err := q.codec.Append((*buf)[:0], v)
	if err != nil {
		return err
	}
	*buf = b
	return q.f.put(ctx, wait, len(b), func(dst []byte) (int, error) { return copy(dst, b), nil })
}

// queueBuffers holds buffers for encoding and decoding, of up to maxBuffer bytes.
var queueBuffers = sync.Pool{New: func() any { return new([]byte) }}

const maxBuffer = 1 << 20

func dropBuffer(b *[]byte) {
	if cap(*b) <= maxBuffer {
		queueBuffers.Put(b)
	}
}

// put puts a payload of up to n bytes, which fill writes. fill runs under the lock "put", perhaps more than once.
func (f *queueFile) put(ctx context.Context, wait bool, n int, fill func(dst []byte) (int, error)) error {
	return f.use(func() error {
		err := f.tryPut(ctx, n, fill)
		if wait && errors.Is(err, ErrFull) {
			err = f.putLine.wait(ctx, f.gone, func() error { return f.tryPut(ctx, n, fill) }, ErrFull, f.notFull)
		}
		return err
	})
}

func (f *queueFile) notFull() bool {
	head := qpos(f.head.Load()) // first: tail is never before it
	return between(head, qpos(f.tail.Load())) < f.max
}

// full reports whether nothing can be put at tail. It runs under the lock "put".
func (f *queueFile) full(tail qpos) bool {
	if between(qpos(f.oldHead.Load()), tail) < f.max {
		return false
	}
	head := f.head.Load()
	f.oldHead.Store(head)
	return between(qpos(head), tail) >= f.max
}

// tryPut is put without waiting for more than the lock. A full queue is ErrFull itself.
func (f *queueFile) tryPut(ctx context.Context, n int, fill func(dst []byte) (int, error)) error {
	if n < 0 || int64(n) > maxExtentSize-grain {
		return fmt.Errorf("%w: an item of %d bytes", ErrTooLarge, n)
	}
	if err := f.putLock.Lock(ctx); err != nil {
		return lockFailed(ctx, err, ErrFull)
	}
	if err := f.putLocked(n, fill); err != nil {
		return err
	}
	f.getLine.notify()
	return nil
}

// lockFailed makes an end of the context while waiting for a lock the same as while waiting for a change.
func lockFailed(ctx context.Context, err, not error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", not, err)
	}
	return fmt.Errorf("ipc: queue: %w", err)
}

// putLocked holds the lock and gives it up.
func (f *queueFile) putLocked(n int, fill func(dst []byte) (int, error)) error {
	defer func() { _ = f.putLock.Unlock() }() // it is held
	if f.closed.Load() != 0 {
		return ErrClosed
	}
	tail := qpos(f.tail.Load())
	if f.full(tail) {
		return ErrFull
	}
	dst, extent, offset, err := f.room(tail, n)
	if err != nil {
		return err
	}
	body := dst[recordHeader : recordHeader+n : recordHeader+n]
	used, err := fill(body)
	if err != nil {
		return err
	}
	if used > n {
		return errors.New("ipc: queue: an encoding longer than the codec said")
	}
	binary.NativeEndian.PutUint64(dst, recordMark|uint64(used))
	step("record written")
	f.tail.Store(uint64(makePos(tail.count()+1, extent, offset+recordHeader+(used+7)&^7)))
	step("item put")
	return nil
}
