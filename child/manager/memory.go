package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"yunta/ipc"
)

// Methods of a segment.
const segmentHandle byte = 0

// NewSharedMemory has the server make a segment of that name and size, see [ipc.CreateSharedMemory], and maps it here:
// Python's SharedMemoryManager.SharedMemory. It exists until somebody calls its Unlink, or until the server ends, however
// it ends, and whoever else comes and goes. The server must be on this machine.
func NewSharedMemory(ctx context.Context, c *Client, name string, size int) (*ipc.SharedMemory, error) {
	h, err := newMemory(ctx, c, func(k *call) { k.putBool(false).putText(name).putInt(size) })
	if err != nil {
		return nil, err
	}
	return ipc.OpenSharedMemoryHandle(h)
}

// NewShareableList has the server make a list of these items, and opens it here: Python's
// SharedMemoryManager.ShareableList. What is said of [NewSharedMemory] holds for it.
func NewShareableList(ctx context.Context, c *Client, name string, items ...any) (*ipc.ShareableList, error) {
	h, err := newMemory(ctx, c, func(k *call) { putAll(k.putBool(true).putText(name), anyCodec(), items) })
	if err != nil {
		return nil, err
	}
	return ipc.OpenShareableListHandle(h)
}

func newMemory(ctx context.Context, c *Client, more func(*call)) (ipc.Handle, error) {
	p, err := create(ctx, c, kindMemory, more)
	if err != nil {
		return ipc.Handle{}, err
	}
	k := p.ask(segmentHandle)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return ipc.Handle{}, errors.Join(err, p.Unlink(context.WithoutCancel(ctx)))
	}
	h := ipc.Handle{File: k.text()}
	return h, k.reader.err()
}

// segment is shared memory that belongs to the server. It is not mapped there: only its name is kept.
type segment struct{ m *ipc.SharedMemory }

func newSegment(q *request) (object, error) {
	list, name := q.in.bool(), q.in.text()
	var m *ipc.SharedMemory
	if list {
		items := make([]any, q.in.count())
		for i := range items {
			var err error
			if items[i], err = decode(anyCodec(), q.in.bytes()); err != nil {
				return nil, err
			}
		}
		l, err := ipc.NewShareableList(name, items...)
		if err != nil {
			return nil, err
		}
		m = l.Memory()
	} else {
		var err error
		if m, err = ipc.CreateSharedMemory(name, q.in.int()); err != nil {
			return nil, err
		}
	}
	if err := m.Close(); err != nil {
		return nil, errors.Join(err, m.Unlink())
	}
	return &segment{m}, nil
}

func (s *segment) call(q *request) error {
	if q.method != segmentHandle {
		return fmt.Errorf("%w: of shared memory", ErrNoMethod)
	}
	q.out = appendBytes(q.out, s.m.Handle().File)
	return nil
}

func (s *segment) delete() error {
	if err := s.m.Unlink(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
