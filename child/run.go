package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// ExitStatus is an error that an entry returns to end its process with that
// status and without a word. Unlike os.Exit it lets functions given to [OnExit]
// run. Python: sys.exit with a number.
type ExitStatus int //nolint:errname // it is one first of all

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// process is the life of a child that runs one entry; it returns the exit
// status.
func (s *server) process(ctx context.Context, fds []int) int {
	_, _ = s.notices.Write(s.unsaid) // the greeting, at once: there may be nothing else to say
	s.unsaid = nil
	p := s.config.Process
	if p.Heard {
		ctx = WithSignals(ctx, &pulse{notices: s.notices, began: time.Now()})
	}
	err := s.runProcess(ctx, ipc.AttachmentsOf(fds))
	var status ExitStatus
	silent := errors.As(err, &status)
	if err != nil && !silent {
		fmt.Fprintf(os.Stderr, "yunta: %s: entry %q: %s\n", s.config.Name, p.Entry, withStack(err))
	}
	exits.run()
	if silent {
		return int(status)
	}
	if err != nil {
		s.report(wire.KindError, err)
		return 1
	}
	return 0
}

func (s *server) runProcess(ctx context.Context, files *ipc.Attachments) error {
	arg, err := s.readArgument(s.config.Process.Size)
	if err != nil {
		return LocalError(StageDecodeArgument, err)
	}
	r := lookup(s.config.Process.Entry)
	if r == nil {
		return missing(s.config.Process.Entry).error()
	}
	// In a goroutine of its own: one that ends its goroutine must not end main's.
	outcome := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { outcome <- err }()
		err = r.process(ctx, arg, files)
	}()
	return <-outcome
}

// readArgument puts the pieces of the argument together.
func (s *server) readArgument(size uint64) ([]byte, error) {
	var arg []byte
	for uint64(len(arg)) < size {
		body, err := s.frames.Next()
		if err != nil {
			return nil, err
		}
		if len(body) < 2 || body[0] != wire.KindArgument || uint64(len(body)-1) > size-uint64(len(arg)) {
			return nil, wire.ErrProtocol
		}
		if arg == nil {
			arg = make([]byte, 0, size)
		}
		arg = append(arg, body[1:]...)
	}
	return arg, nil
}

// process runs the entry once, for a process of its own.
func (e *entry[A, R]) process(ctx context.Context, arg []byte, files *ipc.Attachments) (err error) {
	e.prepare()
	stage := StageDecodeArgument
	defer func() {
		if v := recover(); v != nil {
			err = LocalPanic(stage, v)
		}
	}()
	a, err := e.args.DecodeAttached(arg, files)
	if err = errors.Join(err, files.Close()); err != nil {
		return LocalError(stage, err)
	}
	stage = StageRun
	_, err = e.f(ctx, a)
	return err
}

// withStack is an error's text, and its stack if it was a panic, as the Go
// runtime would print it.
func withStack(err error) string {
	if e, ok := errors.AsType[*RemoteError](err); ok && e.Panic {
		return fmt.Sprintf("\npanic: %s\n\n%s", e.Message, e.Stack)
	}
	return err.Error()
}
