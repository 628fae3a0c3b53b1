package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
)

// leaveTime bounds how long a worker whose pipes have ended waits to hear why.
const leaveTime = 10 * time.Second

// Exit statuses of a child that could not serve.
const (
	exitUsage    = 2  // started in a way that cannot work
	exitProtocol = 76 // sysexits(3) EX_PROTOCOL: the supervisor's words made no sense
	exitNoRoom   = 74 // sysexits(3) EX_IOERR: results could not be stored
	exitMemory   = 71 // sysexits(3) EX_OSERR: beyond the memory limit
)

// Main turns a process that a supervisor started into a worker, or has it run
// its entry, and does not return there; in any other process it returns at
// once. It must be the first call in main (in tests: in TestMain), before flags
// are parsed or anything is printed, since everything before it also runs in
// every child.
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
	os.Exit(serve())
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

// serve is a child's life; it returns the exit status.
func serve() int {
	tasks, err1 := ipc.PipeOf(wire.FDTasks)
	up, err2 := ipc.PipeOf(wire.FDNotices)
	lifeline, err3 := ipc.PipeOf(wire.FDLifeline)
	if err := errors.Join(err1, err2, err3); err != nil {
		fmt.Fprintf(os.Stderr, "yunta: child: %v\n", err)
		return exitProtocol
	}
	s := &server{tasks: tasks, notices: &notices{pipe: up}, entries: make(map[uint32]runner), names: make(map[uint32]string), mayLeave: make(chan struct{})}
	s.frames = ipc.NewFrameReader(s.tasks, wire.MaxFrame)
	body, err := s.frames.Next()
	if err != nil {
		if !errors.Is(err, io.EOF) { // the supervisor gave up before it said anything
			fmt.Fprintf(os.Stderr, "yunta: child: reading its configuration: %v\n", err)
		}
		return exitProtocol
	}
	if len(body) == 0 || body[0] != wire.KindConfig || wire.Parse(body, &s.config) != nil || s.config.Magic != wire.Magic {
		fmt.Fprintf(os.Stderr, "yunta: child: descriptor %d does not speak yunta's protocol\n", wire.FDTasks)
		return exitProtocol
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	files := s.keepInherited()
	terminated := s.takeSignals()
	go s.holdLifeline(lifeline, terminated)
	if err := s.join(); err != nil {
		s.report(wire.KindFailed, err)
		fmt.Fprintf(os.Stderr, "yunta: %s: %v\n", s.who(), err)
		return exitProtocol
	}
	if s.config.Process != nil {
		return s.process(ctx, files)
	}
	return s.work()
}

// keepInherited closes what was not meant for this process and returns the
// descriptors that came with a process's argument.
func (s *server) keepInherited() (files []int) {
	if s.config.Process == nil {
		syscall.CloseOnExec(wire.FDExtents)
		closeStrays(wire.FDResults + 1)
		return nil
	}
	for i := range s.config.Process.Files {
		syscall.CloseOnExec(wire.FDAttached + i)
		files = append(files, wire.FDAttached+i)
	}
	closeStrays(wire.FDAttached + len(files))
	return files
}

// who names this process in messages.
func (s *server) who() string {
	if s.config.Process == nil {
		return fmt.Sprintf("worker %d", s.config.Worker)
	}
	return s.config.Name
}

// work is a worker's life; it returns the exit status.
func (s *server) work() int {
	if err := s.openShared(); err != nil {
		s.report(wire.KindFailed, err)
		fmt.Fprintf(os.Stderr, "yunta: %s: %v\n", s.who(), err)
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
	if s.config.Extent == 0 {
		// While the first task is on its way: else its result would have to wait.
		s.extents.Warm()
	}
	outcome := make(chan error)
	go s.main(outcome)
	err := <-outcome
	if err == nil || errors.Is(err, syscall.EPIPE) {
		// A pipe has ended. That the supervisor has died shows on the other pipes
		// before it shows on the lifeline, whose thread then ends more than this
		// process.
		select {
		case <-s.mayLeave:
		case <-time.After(leaveTime):
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "yunta: %s: %v\n", s.who(), err)
		return exitProtocol
	}
	defer exits.run()
	if s.config.Exit != nil {
		if err := s.invoke(s.config.Exit); err != nil {
			fmt.Fprintf(os.Stderr, "yunta: %s: exit function %q: %v\n", s.who(), s.config.Exit.Entry, err)
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
	s.introduce()
	setProcessName(c.Name)
	offerToOOMKiller()
	return s.limitMemory()
}

// openShared maps what a worker shares with its supervisor.
func (s *server) openShared() error {
	c := &s.config
	var err error
	if s.extents, err = ipc.OpenExtents(os.NewFile(wire.FDExtents, "extents")); err != nil {
		return err
	}
	s.area = s.extents.Area().Bytes()
	if err := wire.CheckSlot(s.area, c.Worker, 0); err != nil {
		return err
	}
	s.shared, s.bell = wire.SharedAt(s.area), wire.BellAt(s.area, c.Worker)
	s.records = s.extents.NewRecordWriter(c.Writer)
	if c.Extent > 0 {
		if err := s.records.Adopt(c.Extent - 1); err != nil {
			return err
		}
	}
	if err := s.openRecorder(); err != nil {
		return err
	}
	s.openTrace()
	if c.Board != "" {
		// The board is for onlookers: without it the work goes on.
		if s.line, _ = board.OpenLine(c.Board, c.Worker); s.line != nil {
			s.showWaits()
		}
	}
	return nil
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
