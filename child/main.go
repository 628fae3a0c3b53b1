package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
)

// Exit statuses of a child that could not serve.
const (
	exitUsage    = 2  // started in a way that cannot work
	exitProtocol = 76 // sysexits(3) EX_PROTOCOL: the supervisor's words made no sense
	exitNoRoom   = 74 // sysexits(3) EX_IOERR: results could not be stored
	exitMemory   = 71 // sysexits(3) EX_OSERR: beyond the memory limit
)

// Info says who this process is. Python: multiprocessing.current_process.
type Info struct {
	Name        string // "yunta:w3" in a child, the program's name in a parent
	Pool        string // name of the pool, "" in a parent
	Worker      int    // index in the pool, -1 in a process that is no worker
	Incarnation int    // which start of this worker it is, from 1; 0 in a parent
	PID         int
	ParentPID   int   // the supervisor's in a child
	CPUs        []int // the affinity mask it was pinned to, nil when not pinned
}

var self struct {
	sync.Mutex
	info *Info
}

// Self returns the identity of this process.
func Self() Info {
	self.Lock()
	defer self.Unlock()
	if self.info != nil {
		return *self.info
	}
	return Info{Name: programName(), Worker: -1, PID: os.Getpid(), ParentPID: os.Getppid()}
}

func programName() string {
	name := os.Args[0]
	return name[strings.LastIndexByte(name, '/')+1:]
}

// Main turns a process that a supervisor started into a worker and does not
// return there; in any other process it returns at once. It must be the first
// call in main (in tests: in TestMain), before flags are parsed or anything is
// printed, since everything before it also runs in every child.
func Main() {
	started.Store(true)
	marker, marked := os.LookupEnv(wire.EnvMarker)
	rememberBuild()
	if !marked {
		return
	}
	// At once: a program that a task starts must not take itself for a worker.
	_ = os.Unsetenv(wire.EnvMarker)
	if !isOurs(marker) {
		fmt.Fprintf(os.Stderr, "yunta: %s is set, but no supervisor started this process: "+
			"workers are started by supervisor.NewPool, not by hand; going on as an ordinary program\n", wire.EnvMarker)
		return
	}
	os.Exit(work())
}

// Unserved reports that a supervisor started this process as a worker and that
// main did not call Main. A supervisor refuses to start children then, or
// every child would start more.
func Unserved() bool {
	marker, marked := os.LookupEnv(wire.EnvMarker)
	return marked && isOurs(marker)
}

// isOurs reports whether the marker belongs to the pipe that this process has.
func isOurs(marker string) bool { return marker != "" && wire.Marker(wire.FDTasks) == marker }

// work is a worker's life; it returns the exit status.
func work() int {
	closeStrays()
	tasks, err1 := ipc.PipeOf(wire.FDTasks)
	notices, err2 := ipc.PipeOf(wire.FDNotices)
	lifeline, err3 := ipc.PipeOf(wire.FDLifeline)
	if err := errors.Join(err1, err2, err3); err != nil {
		fmt.Fprintf(os.Stderr, "yunta: worker: %v\n", err)
		return exitProtocol
	}
	syscall.CloseOnExec(wire.FDExtents)
	s := &server{tasks: tasks, notices: notices, entries: make(map[uint32]runner), names: make(map[uint32]string)}
	s.frames = ipc.NewFrameReader(s.tasks, wire.MaxFrame)
	body, err := s.frames.Next()
	if err != nil {
		if !errors.Is(err, io.EOF) { // the supervisor gave up before it said anything
			fmt.Fprintf(os.Stderr, "yunta: worker: reading its configuration: %v\n", err)
		}
		return exitProtocol
	}
	if len(body) == 0 || body[0] != wire.KindConfig || wire.Parse(body, &s.config) != nil || s.config.Magic != wire.Magic {
		fmt.Fprintf(os.Stderr, "yunta: worker: descriptor %d does not speak yunta's protocol\n", wire.FDTasks)
		return exitProtocol
	}
	terminated := s.takeSignals()
	go s.holdLifeline(lifeline, terminated)
	if err := s.join(); err != nil {
		s.report(wire.KindFailed, err)
		fmt.Fprintf(os.Stderr, "yunta: worker %d: %v\n", s.config.Worker, err)
		return exitProtocol
	}
	if s.config.Initializer != nil {
		// It may take long: the supervisor must not wait for the greeting.
		_, _ = s.notices.Write(s.unsaid)
		s.unsaid = nil
		if err := s.invoke(s.config.Initializer); err != nil {
			s.report(wire.KindFailed, err)
			return 1
		}
	}
	if err := s.say(wire.KindReady, 0); err != nil {
		return exitProtocol
	}
	// While the first task is on its way: else its result would have to wait.
	s.extents.Warm()
	outcome := make(chan error)
	go s.main(outcome)
	if err := <-outcome; err != nil {
		fmt.Fprintf(os.Stderr, "yunta: worker %d: %v\n", s.config.Worker, err)
		return exitProtocol
	}
	if s.config.Exit != nil {
		if err := s.invoke(s.config.Exit); err != nil {
			fmt.Fprintf(os.Stderr, "yunta: worker %d: exit function %q: %v\n", s.config.Worker, s.config.Exit.Entry, err)
			return 1
		}
	}
	return 0
}

// join makes this process what its configuration says. Its answer, Hello, goes
// out with what is said next, so that the supervisor wakes once and not twice.
func (s *server) join() error {
	c := &s.config
	hello := wire.Hello{PID: os.Getpid(), Version: wire.Version, Build: Build()}
	var err error
	if s.unsaid, err = frame(nil, wire.KindHello, hello); err != nil {
		return err
	}
	if c.Version != hello.Version || c.Build != hello.Build {
		return fmt.Errorf("supervisor and child are different builds of the program (%s and %s): was the file replaced while it ran?", c.Build, hello.Build)
	}
	self.Lock()
	self.info = &Info{
		Name: c.Name, Pool: c.Pool, Worker: c.Worker, Incarnation: c.Incarnation,
		PID: hello.PID, ParentPID: c.ParentPID, CPUs: c.CPUs,
	}
	self.Unlock()
	setProcessName(c.Name)
	offerToOOMKiller()
	if err := s.limitMemory(); err != nil {
		return err
	}
	if s.extents, err = ipc.OpenExtents(os.NewFile(wire.FDExtents, "extents")); err != nil {
		return err
	}
	s.area = s.extents.Area().Bytes()
	if err := wire.CheckSlot(s.area, c.Worker, 0); err != nil {
		return err
	}
	s.shared, s.bell = wire.SharedAt(s.area), wire.BellAt(s.area, c.Worker)
	s.records = s.extents.NewRecordWriter(c.Writer)
	if err := s.openRecorder(); err != nil {
		return err
	}
	if c.Board != "" {
		// The board is for onlookers: without it the work goes on.
		s.line, _ = board.OpenLine(c.Board, c.Worker)
	}
	return nil
}

// frame appends the frame of a message.
func frame(dst []byte, kind byte, v any) ([]byte, error) {
	body, err := wire.Append(nil, kind, v)
	if err != nil {
		return dst, err
	}
	return ipc.AppendFrame(dst, body), nil
}

// say writes a message, and before it what is unsaid, in one write.
func (s *server) say(kind byte, v any) error {
	out, err := frame(s.unsaid, kind, v)
	if err != nil {
		return err
	}
	s.unsaid = nil
	_, err = s.notices.Write(out)
	return err
}

func (s *server) report(kind byte, err error) {
	body := wire.Wrap([]byte{kind}, encodeError(StageStart, err))
	_, _ = s.notices.Write(ipc.AppendFrame(s.unsaid, body)) // the exit status says it too
	s.unsaid = nil
}

func (s *server) invoke(i *wire.Invocation) error {
	r := lookup(i.Entry)
	if r == nil {
		return missing(i.Entry).error()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// In a goroutine of its own: one that ends its goroutine must not end main's.
	outcome := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { outcome <- err }()
		err = r.invoke(ctx, i.Arg)
	}()
	return <-outcome
}

// takeSignals gives the process a worker's dispositions. SIGINT is taken and
// dropped rather than ignored: what a terminal's Ctrl-C means is decided by
// the supervisor, and an ignored signal would be inherited by the programs
// that tasks start. SIGTERM keeps its meaning, but if it comes because the
// parent died the whole process group goes.
func (s *server) takeSignals() (terminated chan struct{}) {
	terminated = make(chan struct{})
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-interrupts:
			case <-terms:
				dieOfSIGTERM(wire.FDLifeline, s.config.ParentPID, terminated)
			}
		}
	}()
	return terminated
}

// parentGrace is how long a SIGTERM of unknown origin waits for the news that
// the parent is dead. The kernel sends the parent-death signal just before the
// parent's descriptors close.
const parentGrace = 50 * time.Millisecond

// dieOfSIGTERM ends the process as SIGTERM does by default, or, when the
// parent is dead, the whole process group.
func dieOfSIGTERM(lifeline, parent int, announced <-chan struct{}) {
	select {
	case <-announced: // the supervisor's own: it looks after the group
	default:
		for end := time.Now().Add(parentGrace); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if os.Getppid() != parent || hungUp(lifeline) {
				killGroup()
			}
		}
	}
	signal.Reset(syscall.SIGTERM)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	select {} // the signal is on its way
}

// holdLifeline blocks on the lifeline for the process's whole life. A worker
// that runs a task reads nothing else, so this is the way to cancel it, and
// the end of the pipe is how it learns that the supervisor is dead.
func (s *server) holdLifeline(line *ipc.PipeFile, terminated chan struct{}) {
	frames := ipc.NewFrameReader(line, wire.MaxFrame)
	var announce sync.Once
	var slots []uint32
	for {
		body, err := frames.Next()
		if err != nil || len(body) == 0 {
			killGroup()
		}
		switch body[0] {
		case wire.KindTerminate:
			announce.Do(func() { close(terminated) })
		case wire.KindCancel, wire.KindExpire:
			cause := context.Canceled
			if body[0] == wire.KindExpire {
				cause = context.DeadlineExceeded
			}
			slots, _ = wire.ParseSlots(slots[:0], body)
			c := s.current.Load()
			for _, slot := range slots {
				// A condemned slot stays this chunk's: nothing else begins.
				if c != nil && c.number == slot {
					c.ctx.end(cause)
				}
			}
		}
	}
}

// killGroup ends this process and everything of its process group, which a
// supervisor made for it, after what BeforeKill was given.
func killGroup() {
	beforeKill.run()
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	os.Exit(exitProtocol) // in case the group could not be signalled
}
