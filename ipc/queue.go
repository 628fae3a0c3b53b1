package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// QueueOptions are the settings of [NewQueue]. The zero value is the recommended one.
type QueueOptions struct {
	// MaxSize is how many items the queue holds before Put waits. 0 means that memory is the limit: then
	// Put never waits, and returns an error that wraps syscall.ENOSPC when there is none.
	MaxSize int
	// Name lets other processes open the queue by name, without a handle: a Handle whose File is
	// the name. Names are those of [CreateSharedMemory], but for paths.
	Name string
}

// Queue carries values of type T between any number of producers and consumers in any number of processes, first
// in, first out: Python's multiprocessing.Queue and JoinableQueue. (There is no SimpleQueue beside
// it: Python's exists to do without the feeder thread, and this one has none; MaxSize 0 is that.)
//
// An item is in shared memory when Put returns. Its producer may exit or be killed then, and can be waited for
// with nobody reading, however much it has put. A producer or consumer that is killed at any instruction neither
// damages the queue nor keeps others waiting; it loses at most the item that it had not finished putting, or had just
// been given. Where an item must not be lost with its consumer, get it by [Queue.Lease]: it comes
// back when the consumer dies.
//
// The process that calls [NewQueue] is the queue's maker. The queue can be opened as long as the maker lives and has
// not called Detach; those who have it open can use it as long as they like. Hand it to another process by its
// [Handle].
//
// Values are encoded by a [Codec], in the caller of Put, which gets the error. An item costs some 100 ns
// for a number, and what copying costs for a large one. Any number of goroutines may use one Queue.
type Queue[T any] struct {
	f     *queueFile
	codec *Codec[T]
	plain bool // values can be encoded and decoded under a lock, without running T's code
}

// NewQueue makes a queue.
func NewQueue[T any](o QueueOptions) (*Queue[T], error) {
	fail := func(err error) (*Queue[T], error) { return nil, fmt.Errorf("ipc: queue: %w", err) }
	if o.MaxSize < 0 || o.MaxSize > maxQueueSize {
		return fail(fmt.Errorf("QueueOptions.MaxSize is %d, want 0 to %d", o.MaxSize, maxQueueSize))
	}
	if o.MaxSize == 0 {
		o.MaxSize = maxQueueSize
	}
	if err := checkSegmentName(o.Name); o.Name != "" && err != nil {
		return fail(err)
	}
	seg, file, err := createSegment(o.Name, queueBase+minQueueExtent, encodeQueueHeader(uint32(o.MaxSize)))
	if err != nil {
		return fail(err)
	}
	f, err := openQueueFile(seg, file, true)
	if err != nil {
		return fail(errors.Join(err, seg.unlink(queueLocks...)))
	}
	return newQueue[T](f), nil
}

// OpenQueue opens the queue of another process by its handle, or, with a name as the handle's File, by the
// name it was made with. One that is gone is an error that wraps fs.ErrNotExist. What T the maker used
// is not known: Get returns [ErrDecode] for what does not fit.
func OpenQueue[T any](h Handle) (*Queue[T], error) {
	seg, file, err := openNamed(h)
	if err != nil {
		return nil, fmt.Errorf("ipc: queue: %w", err)
	}
	f, err := openQueueFile(seg, file, false)
	if err != nil {
		return nil, fmt.Errorf("ipc: queue %s: %w", seg.name, err)
	}
	return newQueue[T](f), nil
}

func newQueue[T any](f *queueFile) *Queue[T] {
	c := CodecFor[T]()
	return &Queue[T]{f: f, codec: c, plain: c.Delimited()}
}

// Put puts v into the queue. It waits while the queue is full; the end of the context ends the wait at once,
// with an error that wraps both the context's and [ErrFull]. Other errors: [ErrEncode], [ErrClosed], and one
// that wraps syscall.ENOSPC. After an error nothing was put.
func (q *Queue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, v, true) }

// TryPut is Put that returns [ErrFull] rather than wait.
func (q *Queue[T]) TryPut(v T) error { return q.put(context.Background(), v, false) }

// Get takes the oldest item out of the queue and returns it. It waits while there is none; the end of
// the context ends the wait at once, with an error that wraps both the context's and [ErrEmpty]. Once the
// queue is closed and has nothing in it the error is [ErrClosed]. With [ErrDecode] the item is taken out, and lost.
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, true) }

// TryGet is Get that returns [ErrEmpty] rather than wait.
func (q *Queue[T]) TryGet() (T, error) { return q.get(context.Background(), false) }

// Len returns how many items there are to get. It may have changed when it is read. Leased items do not count.
func (q *Queue[T]) Len() int {
	n := 0
	_ = q.f.use(func() error {
		head := qpos(q.f.head.Load()) // first: tail is never before it
		n = int(between(head, qpos(q.f.tail.Load()))) + int(q.f.back.Load())
		return nil
	})
	return n
}

// Empty reports whether there is nothing to get, and Full whether Put would wait.
func (q *Queue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether Put would wait.
func (q *Queue[T]) Full() bool { return q.Len() >= int(q.f.max) }

// MaxSize returns how many items the queue holds before Put waits, 0 if memory is the limit.
func (q *Queue[T]) MaxSize() int {
	if q.f.max == maxQueueSize {
		return 0
	}
	return int(q.f.max)
}

// Handle returns what another process opens the queue by.
func (q *Queue[T]) Handle() Handle { return q.f.seg.handle() }

// Close closes the queue for every process: Put returns [ErrClosed] from now on, and Get once all that was
// put has been taken out. (In Python, close concerns the caller alone: here that is Detach.) Any process may close
// it; closing again does nothing. The memory stays until [Queue.Detach].
func (q *Queue[T]) Close() error { return q.f.shut() }

// Detach gives this handle back: those who wait through it return with [ErrClosed], as every later call does, and
// its memory is unmapped when the last has, and no lease of it is out. The queue itself goes on, for those who
// have it open. The maker's Detach also removes it, so that nobody can open it any more; the end of the maker's
// process does the same. Detaching again does nothing.
func (q *Queue[T]) Detach() error { return q.f.detach() }

// queueFile is an open queue, whatever its items are.
type queueFile struct {
	queueWords
	seg   segment
	file  *os.File
	max   uint32
	maker bool

	putLock, getLock *oslock.Lock
	region           *mapped.Region // header, table and slots
	mu               sync.Mutex     // guards the making of maps
	maps             [maxQueueExtents]atomic.Pointer[mapped.Region]

	getLine, putLine, doneLine line

	users usage
	once  sync.Once
	gone  chan struct{} // closed by detach
	freed error

	looked atomic.Int64  // when somebody looked for the dead among those who lease, in nanoseconds
	gets   atomic.Uint32 // counts, so that a busy queue looks too
}

// queueLocks are the names of the locks that go with a queue.
var queueLocks = []string{"put", "get"}

// openQueueFile takes file over.
func openQueueFile(seg segment, file *os.File, maker bool) (_ *queueFile, err error) {
	f := &queueFile{seg: seg, file: file, maker: maker, gone: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.free())
		}
	}()
	if f.max, err = readQueueHeader(file); err != nil {
		return nil, err
	}
	if f.region, err = mapped.Map(file, 0, queueBase); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f.queueWords = queueWordsOf(f.region)
	f.getLine.init(f.getters)
	f.putLine.init(f.putters)
	f.doneLine.init(f.waiters)
	// What a producer leaves when it dies does not count: there is nothing to repair.
	f.putLock, err = oslock.OpenLock(seg.lockPath("put"), oslock.LockOptions{Repair: func() error { return nil }})
	if err != nil {
		return nil, err
	}
	f.getLock, err = oslock.OpenLock(seg.lockPath("get"), oslock.LockOptions{Repair: f.repair})
	if err != nil {
		return nil, err
	}
	if !maker {
		err = seg.stillThere(file)
	}
	return f, err
}

// use runs call while the memory cannot be unmapped, and makes a fault of it an error.
func (f *queueFile) use(call func() error) error {
	if !f.users.enter() {
		return ErrClosed
	}
	defer f.leave()
	return mapped.Guard(call)
}

func (f *queueFile) leave() {
	if f.users.leave() {
		_ = f.free()
	}
}

// shut closes the queue: under the lock, so that no item is put after it returns.
func (f *queueFile) shut() error {
	return f.use(func() error {
		if err := f.putLock.Lock(context.Background()); err != nil {
			return fmt.Errorf("ipc: queue: %w", err)
		}
		f.closed.Store(1)
		step("queue closed")
		err := f.putLock.Unlock()
		f.getLine.notifyAll()
		f.putLine.notifyAll()
		return err
	})
}

func (f *queueFile) detach() error {
	first, last := f.users.close()
	if !first {
		return nil
	}
	close(f.gone)
	for _, l := range []*line{&f.getLine, &f.putLine, &f.doneLine} {
		l.interrupt()
	}
	var err error
	if f.maker {
		if err = f.seg.unlink(queueLocks...); errors.Is(err, fs.ErrNotExist) {
			err = nil // somebody removed it, or a cleaner
		}
	}
	if last {
		err = errors.Join(err, f.free())
	}
	return err
}

// free gives everything back.
func (f *queueFile) free() error {
	f.once.Do(func() {
		var errs []error
		for _, l := range []*oslock.Lock{f.putLock, f.getLock} {
			if l != nil {
				errs = append(errs, l.Close())
			}
		}
		for i := range f.maps {
			if r := f.maps[i].Load(); r != nil {
				errs = append(errs, r.Unmap())
			}
		}
		if f.region != nil {
			errs = append(errs, f.region.Unmap())
		}
		f.freed = errors.Join(append(errs, f.file.Close())...)
	})
	return f.freed
}
