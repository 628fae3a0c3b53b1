package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
)

// Start starts the process and returns when its program runs; what becomes of
// it Wait tells. The argument is encoded here: an error of that is returned,
// and what the argument attaches may be closed afterwards. A process can be
// started once, unless Start failed.
//
// The end of ctx stops the process, as Stop does.
func (p *Process) Start(ctx context.Context) error {
	refuseInChild()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	switch p.state {
	case processClosed:
		p.mu.Unlock()
		return ErrProcessClosed
	case processNew:
	default:
		p.mu.Unlock()
		return ErrStarted
	}
	p.state = processStarting
	p.launched = make(chan struct{})
	defer close(p.launched)
	p.mu.Unlock()
	children.waitAtExit()
	p.signals = child.SignalsOf(ctx)
	err := p.start()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.state = processNew
		return fmt.Errorf("supervisor: starting %s: %w", p.name, err)
	}
	p.state = processRunning
	p.unhook = context.AfterFunc(ctx, p.beginStop)
	children.add(p)
	p.o.Logger.Debug("process started", "process", p.name, "pid", p.w.pid, "entry", p.call.Name())
	return nil
}

func (o ProcessOptions) withDefaults() (ProcessOptions, error) {
	switch {
	case o.Grace < 0:
		return o, fmt.Errorf("supervisor: Grace is %v, must not be negative", o.Grace)
	case o.MemoryLimit < 0:
		return o, fmt.Errorf("supervisor: MemoryLimit is %d, must not be negative", o.MemoryLimit)
	}
	if o.CPUs != nil {
		if _, err := PinSets(o.CPUs).masks(1); err != nil {
			return o, err
		}
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// earlyArgument is how many bytes any pipe holds: a user with many pipes gets
// smaller ones (pipe(7)), but never less than a page.
const earlyArgument = 4096

// start does it, or leaves nothing behind.
func (p *Process) start() (err error) {
	if p.o, err = p.o.withDefaults(); err != nil {
		return err
	}
	if p.call.IsForeign() {
		return fmt.Errorf("%w: %q", child.ErrForeign, p.call.Name())
	}
	var files ipc.Attachments
	defer files.Close()
	arg, err := p.call.Argument(&files)
	if err != nil {
		return err
	}
	config, err := p.config(len(arg), len(files.Files()))
	if err != nil {
		return err
	}
	// Pipes of the runtime's poller: who waits for a process needs no thread.
	tasksR, tasksW, err := os.Pipe()
	if err != nil {
		return err
	}
	noticesR, noticesW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, tasksR.Close(), tasksW.Close())
	}
	p.w = ward{notices: noticesR, name: p.name, prefix: strings.ReplaceAll(p.o.Prefix, "{name}", p.name)}
	p.logs = newLogPump(p.o.Logger)
	stderr := p.o.Stderr
	if stderr == nil {
		stderr = os.Stderr
	}
	if err := p.w.prepare(tasksR, noticesW, newLineWriter(p.o.Stdout), newLineWriter(stderr)); err != nil {
		_ = tasksW.Close()
		return err
	}
	// What surely fits is in the pipe before the child looks for it.
	early := len(config)+len(arg)+frameBytes <= earlyArgument
	if early {
		_, err = tasksW.Write(appendArgument(config, arg))
	}
	if err == nil {
		oomWatch.begin()
		p.spawner = takeSpawner()
		if err = p.w.start(p.spawner, p.o.CPUs, p.o.Env, files.Files()...); err != nil {
			p.spawner.release()
		}
	}
	if err != nil {
		p.w.abandon()
		_ = tasksW.Close()
		return err
	}
	if early {
		_ = tasksW.Close()
		tasksW = nil
	}
	go p.serve(tasksW, config, arg)
	return nil
}

// config is the child's first frame.
func (p *Process) config(size, files int) ([]byte, error) {
	self := child.Self()
	level, logs := logLevel(p.o.Logger)
	body, err := wire.Append(nil, wire.KindConfig, wire.Config{
		Magic: wire.Magic, Version: wire.Version, Build: child.Build(), Name: p.name, Identity: p.identity,
		ParentPID: self.PID, ParentName: self.Name, CPUs: p.o.CPUs, MemoryLimit: p.o.MemoryLimit,
		LogLevel: level, Logs: logs,
		Incarnation: p.incarnation,
		Process: &wire.Process{
			Entry: p.call.Name(), Size: uint64(size), Files: files, Daemon: p.o.Daemon, Heard: p.signals != nil,
		},
	})
	return ipc.AppendFrame(nil, body), err
}

// appendArgument appends a whole argument that is shorter than a piece.
func appendArgument(dst, arg []byte) []byte {
	dst, mark := ipc.BeginFrame(dst)
	return ipc.EndFrame(append(append(dst, wire.KindArgument), arg...), mark)
}

// sendArgument writes what was too long for the pipe, in pieces. It fails when
// the child is dead, which shows elsewhere.
func sendArgument(w io.WriteCloser, config, arg []byte) {
	defer w.Close()
	frame := config
	for {
		n := min(len(arg), wire.ArgumentPiece)
		frame = appendArgument(frame, arg[:n])
		if _, err := w.Write(frame); err != nil {
			return
		}
		if arg = arg[n:]; len(arg) == 0 {
			return
		}
		frame = frame[:0]
	}
}

// serve looks after a started process until it has ended.
func (p *Process) serve(tasks *os.File, config, arg []byte) {
	timer := time.AfterFunc(helloTimeout, p.w.kill)
	if tasks != nil {
		go sendArgument(tasks, config, arg)
	}
	hello, cause := p.listen(timer)
	if !timer.Stop() && !hello && cause == nil {
		cause = lateHello(helloTimeout)
	}
	p.w.reap()
	p.w.finish()
	if tasks != nil {
		_ = tasks.Close()
	}
	p.spawner.release()
	p.logs.close()
	exit := p.w.exitError(p.o.MemoryLimit)
	if exit.Signal == syscall.SIGKILL {
		exit.OOM = oomWatch.struck()
	}
	if !hello && cause == nil && exit.Signal == 0 {
		cause = errNoHello
	}
	exit.Process, exit.PID, exit.cause = p.name, p.w.pid, cause
	p.over(exit)
}

// listen reads what the child has to say, to the end.
func (p *Process) listen(hello *time.Timer) (greeted bool, cause error) {
	frames := ipc.NewFrameReader(p.w.notices, wire.MaxFrame)
	for {
		body, err := frames.Next()
		if err != nil || len(body) == 0 {
			return greeted, cause
		}
		switch body[0] {
		case wire.KindHello:
			hello.Stop()
			greeted = true
			if err := checkHello(body); err != nil {
				return greeted, err
			}
		case wire.KindReady, wire.KindBeat:
			switch {
			case p.signals == nil: // it was not to say so
			case body[0] == wire.KindReady:
				p.signals.Ready()
			default:
				p.signals.Beat()
			}
		case wire.KindError, wire.KindFailed:
			e, _, err := child.DecodeError(body[1:])
			if cause = e; err != nil {
				cause = err
			}
		case wire.KindLog:
			if err := p.logs.put(body, slog.String("process", p.name), slog.Int("pid", p.w.pid)); err != nil {
				return greeted, err
			}
		default:
			return greeted, fmt.Errorf("%w: kind %d from a child", wire.ErrProtocol, body[0])
		}
	}
}

// over publishes the end.
func (p *Process) over(exit *ExitError) {
	<-p.launched // Start has said that it runs
	p.mu.Lock()
	p.state = processEnded
	if exit.Code != 0 || exit.cause != nil {
		p.exit = exit
	}
	for _, t := range p.timers {
		t.Stop()
	}
	unhook := p.unhook
	p.mu.Unlock()
	unhook()
	children.remove(p)
	p.o.Logger.Debug("process ended", "process", p.name, "pid", p.w.pid, "how", exit.how())
	close(p.done)
}
