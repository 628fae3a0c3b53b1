package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
)

// Tunables of the serving loop.
const (
	// flushEvery bounds how long a finished chunk's notice may wait for
	// others to go with it.
	flushEvery = 100 * time.Microsecond
	// flushCount is how many notices are gathered at most: a quarter of what
	// a supervisor keeps in flight, so that it can refill while we work.
	flushCount = 64
	// spinFor is how long an idle child watches its bell before it blocks:
	// waking a blocked process on another core costs about 20 us each way.
	spinFor = 50 * time.Microsecond
	// spinAfter is after how many chunks at most it does so.
	spinAfter = 4
	// roomHint is how many bytes are asked for a value of unknown size; a
	// larger one is copied once more.
	roomHint = 64
)

// epoch is what now counts from: the monotonic clock alone is half as dear as
// time.Now.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// server is a child's serving loop.
type server struct {
	config  wire.Config
	tasks   *ipc.PipeFile
	notices *notices
	frames  *ipc.FrameReader
	extents *ipc.Extents
	area    []byte
	shared  *wire.Shared
	bell    *wire.Bell
	records *ipc.RecordWriter
	line    *board.Line
	trace   *trace // nil unless the pool is traced

	recorder *recorder // nil where results are not kept in a file

	entries map[uint32]runner
	names   map[uint32]string

	current atomic.Pointer[chunk] // what the lifeline may cancel
	cancel  context.CancelFunc    // the same of a process, set before the lifeline is read
	// mayLeave is closed when the supervisor says that the worker may go.
	mayLeave chan struct{}
	memory   memoryWatch
	full     bool // begins nothing more: this process wants to be replaced

	chunks  []chunk  // for the next ones
	pending []uint32 // slots to tell of
	flushed time.Duration
	ended   time.Duration // when the last chunk ended, 0 after a wait
	average time.Duration // of a task of the last chunk, 0 before the first
	unsaid  []byte        // frames that go out with the next one
	body    []byte        // scratch for notices
	frame   []byte
	misses  int // spins in a row that saw nothing
	ran     int // chunks since the last wait
	done    uint64
	failed  uint64
}

// chunk is the one being run.
type chunk struct {
	number      uint32
	job         uint64
	entryNumber uint32
	first       uint64 // index in its job of the first task
	slot        *wire.Slot
	runner      runner
	entry       string
	rest        []byte // arguments not yet decoded
	timeout     time.Duration
	start       time.Duration
	marks       *wire.Marks // nil unless its tasks are recorded
	ctx         taskContext
	opened      bool // a record has been opened for it
	erring      bool // the open record is one of errors
}

// main serves until the tasks pipe ends and sends the outcome. A task that
// ends its goroutine (runtime.Goexit, as testing.T.FailNow does) takes this
// one along; another then goes on where it was.
func (s *server) main(outcome chan<- error) {
	returned := false
	defer func() {
		if !returned {
			go s.main(outcome)
		}
	}()
	var err error
	if c := s.current.Load(); c != nil {
		c.runner.serve(s, c)
		err = s.over(c)
	}
	if err == nil {
		err = s.loop()
	}
	returned = true
	outcome <- err
}

// loop serves frames until the tasks pipe ends, which asks for a graceful stop.
func (s *server) loop() error {
	for {
		if !s.frames.Buffered() {
			if err := s.flush(now()); err != nil {
				return err
			}
			s.ended = 0
			s.spin()
		}
		body, err := s.frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.handle(body); err != nil {
			return err
		}
	}
}

func (s *server) handle(body []byte) error {
	if len(body) == 0 {
		return wire.ErrProtocol
	}
	switch body[0] {
	case wire.KindDefine:
		number, name, err := wire.ParseDefine(body)
		if err != nil {
			return err
		}
		s.names[number] = name
		if r := lookup(name); r != nil {
			s.entries[number] = r
		} else {
			s.entries[number] = missing(name)
		}
		return nil
	case wire.KindChunk, wire.KindRecorded:
		head, payload, err := wire.ParseChunk(body)
		if err != nil {
			return err
		}
		var marks *wire.Marks
		if head.Recorded {
			if marks, payload, err = wire.ParseMarks(payload, int(head.Count)); err != nil {
				return err
			}
			if s.recorder == nil {
				return fmt.Errorf("%w: a recorded chunk without a result file", wire.ErrProtocol)
			}
		}
		if head.Extent != 0 {
			if payload, err = s.extents.Bytes(uint32(head.Extent - 1)); err != nil {
				return err
			}
		}
		if uint64(len(payload)) < head.Length {
			return wire.ErrProtocol
		}
		return s.run(head, marks, payload[:head.Length])
	}
	return fmt.Errorf("%w: kind %d on the tasks pipe", wire.ErrProtocol, body[0])
}

// run runs one chunk to its end.
func (s *server) run(head wire.Chunk, marks *wire.Marks, payload []byte) error {
	if err := wire.CheckSlot(s.area, s.config.Worker, head.Slot); err != nil {
		return err
	}
	r := s.entries[head.Entry]
	if r == nil {
		return fmt.Errorf("%w: entry number %d was not defined", wire.ErrProtocol, head.Entry)
	}
	if len(s.chunks) == 0 {
		s.chunks = make([]chunk, 16) // not used again: a task may keep its context
	}
	c := &s.chunks[0]
	s.chunks = s.chunks[1:]
	*c = chunk{
		number: head.Slot, job: uint64(head.Job), first: head.First, slot: wire.SlotAt(s.area, s.config.Worker, head.Slot), runner: r,
		rest: payload, timeout: time.Duration(head.Timeout), start: s.ended, marks: marks,
		entry: s.names[head.Entry], entryNumber: head.Entry,
	}
	if c.start == 0 { // else it follows another: reading the clock costs as much as a short task
		c.start = now()
	}
	s.ran++
	s.current.Store(c)
	s.trace.begin(c, head.Sent)
	s.line.Run(c.entry, c.job, c.first, epoch.UnixNano()+int64(c.start))
	if !s.full {
		r.serve(s, c)
	}
	return s.over(c)
}

// outgrown is asked after each task whether the process must be replaced for
// the memory it holds. What is left of its chunks then goes back unbegun.
func (s *server) outgrown() bool {
	if s.full || !s.memory.full() {
		return s.full
	}
	s.full = true
	body := wire.AppendSlots(nil, wire.KindFull)
	// Before the notice of the chunk; when it cannot be written, the supervisor is gone.
	_, _ = s.notices.Write(ipc.AppendFrame(nil, body))
	return true
}

// over ends a chunk that has nothing left to claim.
func (s *server) over(c *chunk) error {
	s.current.Store(nil)
	c.ctx.end(context.Canceled)
	if c.opened {
		_ = s.records.End() // a record that cannot be ended shows when the next is begun
	}
	s.ended = now()
	c.slot.Elapsed.Store(uint64(s.ended - c.start))
	n := c.slot.Load().Next
	s.trace.end(n, s.ended)
	if n > 0 {
		s.average = (s.ended - c.start) / time.Duration(n)
	}
	if condemned := c.slot.Retire(); condemned {
		// The supervisor has given this process up. It must start nothing
		// more, and what its task left running goes with it.
		killGroup()
	}
	s.line.Idle(s.done, s.failed)
	if c.slot.Watch.CompareAndSwap(wire.WatchOn, wire.WatchTaken) {
		return nil // somebody spins on the word: a notice would only cost
	}
	s.pending = append(s.pending, c.number)
	if len(s.pending) >= flushCount || s.ended-s.flushed >= flushEvery {
		return s.flush(s.ended)
	}
	return nil
}

// flush sends the notices gathered so far in one write.
func (s *server) flush(at time.Duration) error {
	s.flushed = at
	if len(s.pending) == 0 {
		return nil
	}
	s.body = wire.AppendSlots(s.body[:0], wire.KindRetired, s.pending...)
	s.frame = ipc.AppendFrame(s.frame[:0], s.body)
	s.pending = s.pending[:0]
	_, err := s.notices.Write(s.frame)
	return err
}

// open makes sure that the chunk's open record is one of values or of errors.
func (s *server) open(c *chunk, errs bool) error {
	kind := uint8(wire.RecordValues)
	if errs {
		kind = wire.RecordErrors
	}
	if !c.opened {
		first, err := s.records.Begin(context.Background(), kind)
		if err != nil {
			return err
		}
		c.slot.First.Store(uint64(first))
		c.opened, c.erring = true, errs
		return nil
	}
	if c.erring != errs {
		if err := s.records.Next(context.Background(), kind); err != nil {
			return err
		}
		c.erring = errs
	}
	return nil
}

// commitError records that a task failed. When not even that can be stored,
// the process ends: the supervisor then knows by its death.
func (s *server) commitError(c *chunk, encoded []byte) {
	s.failed++
	if s.recorder != nil && s.recorder.begun {
		if err := s.recorder.end(encoded, ipc.RecordFailed); err != nil {
			encoded = encodeError(StageRecord, err)
		}
	}
	err := s.open(c, true)
	if err == nil {
		var buf []byte
		if buf, err = s.records.Room(context.Background(), len(encoded)+8); err == nil {
			err = s.records.Commit(context.Background(), wire.Wrap(buf, encoded))
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "yunta: worker %d cannot report an error of its task: %v\n", s.config.Worker, err)
		os.Exit(exitNoRoom)
	}
}
