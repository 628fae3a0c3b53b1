package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// keptProcess is one start of a kept command: the supervisor.Child of it.
type keptProcess struct {
	k       *keeping
	c       keptCommand
	results *keepResults
	cmd     *exec.Cmd
	pid     atomic.Int64 // 0 before the start
	done    chan struct{}
	err     error // written before done is closed
	mu      sync.Mutex
	ended   bool // it is reaped: its number may be another's
}

var _ supervisor.Child = (*keptProcess)(nil)

func newKeptProcess(k *keeping, c keptCommand, results *keepResults) *keptProcess {
	return &keptProcess{k: k, c: c, results: results, done: make(chan struct{})}
}

const (
	// pipeTime is how long output is read that something left behind may still write.
	pipeTime = 200 * time.Millisecond
	// dialPause is the time between two attempts to reach a command that is not ready.
	dialPause = 20 * time.Millisecond
)

// Start starts the command, and whatever finds out that it is ready.
func (p *keptProcess) Start(ctx context.Context) error {
	p.cmd = exec.Command(p.c.argv[0], p.c.argv[1:]...)
	p.cmd.WaitDelay = pipeTime
	p.cmd.SysProcAttr = boundAttr(true)
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	p.cmd.SysProcAttr.Setpgid = true
	see := func(line []byte) {
		if p.k.line != nil && p.k.line.Match(line) {
			child.Ready(ctx)
		}
	}
	flush := p.output(see)
	var fd *os.File
	if n := p.k.flags.readyFD; n != 0 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		fd = r
		p.cmd.ExtraFiles = make([]*os.File, n-2)
		p.cmd.ExtraFiles[n-3] = w
	}
	if err := p.k.starter.start(p.cmd); err != nil {
		if fd != nil {
			fd.Close()
		}
		p.results.note(p.c.name, 127)
		return err
	}
	p.pid.Store(int64(p.cmd.Process.Pid))
	p.k.guard.add(p.PID())
	heard := make(chan struct{})
	switch {
	case fd != nil:
		go func() {
			defer close(heard)
			defer fd.Close()
			if _, err := bufio.NewReader(fd).ReadString('\n'); err == nil {
				child.Ready(ctx)
			}
		}()
	case p.k.flags.readyTCP != "":
		go p.dial(ctx, strings.ReplaceAll(p.k.flags.readyTCP, "%s", p.c.name))
	}
	if fd == nil {
		close(heard)
	}
	go p.await(flush, heard)
	return nil
}

// output connects the command's output, directly where nobody has to see it on its way.
func (p *keptProcess) output(see func([]byte)) (flush func()) {
	stdout, stderr := p.k.out.plain(p.c.name, os.Stdout), p.k.out.plain(p.c.name, os.Stderr)
	if p.k.line == nil && stdout != nil {
		p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
		return func() {}
	}
	out, err := p.k.out.writer(p.c.name, os.Stdout, see), p.k.out.writer(p.c.name, os.Stderr, see)
	p.cmd.Stdout, p.cmd.Stderr = out, err
	return func() {
		out.flush()
		err.flush()
	}
}

func (p *keptProcess) dial(ctx context.Context, address string) {
	for d := (net.Dialer{Timeout: time.Second}); ; {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			child.Ready(ctx)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-p.done:
			return
		case <-time.After(dialPause):
		}
	}
}

// await waits for the command's end, which counts after what it has said by its descriptor.
func (p *keptProcess) await(flush func(), heard <-chan struct{}) {
	err := p.cmd.Wait()
	p.mu.Lock()
	// The next start shall not meet what this one has left. The group has its number for itself as long as there is somebody in it.
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	p.ended = true
	p.k.guard.remove(p.PID())
	p.mu.Unlock()
	flush()
	select {
	case <-heard:
	case <-time.After(pipeTime):
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // something it left behind writes on
	}
	status := 0
	if state := p.cmd.ProcessState; err != nil && state != nil {
		status = state.ExitCode()
		if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			status = 128 + int(ws.Signal())
		}
	}
	p.results.note(p.c.name, status)
	p.err = err
	close(p.done)
}

func (p *keptProcess) Done() <-chan struct{} { return p.done }
func (p *keptProcess) Err() error            { return p.err }

// PID is the command's process id, 0 before it has one.
func (p *keptProcess) PID() int { return int(p.pid.Load()) }

// Stop asks the command, and all of its group, to end.
func (p *keptProcess) Stop(ctx context.Context) error {
	p.signal(syscall.SIGTERM, true)
	p.signal(syscall.SIGCONT, true) // one that is stopped would not hear it
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill kills the command and its group.
func (p *keptProcess) Kill() error {
	p.signal(syscall.SIGKILL, true)
	return nil
}

// signal sends a signal to the command, or to all of its process group.
func (p *keptProcess) signal(s syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pid := p.PID()
	if pid == 0 || p.ended {
		return
	}
	if group {
		pid = -pid
	}
	_ = syscall.Kill(pid, s) // it has ended, at worst
}

// keepStarter starts commands on one thread that lives as long as this process: with another one's end the kernel would take this process for dead.
type keepStarter struct{ commands chan func() }

func newKeepStarter() *keepStarter {
	s := &keepStarter{commands: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.commands {
			f()
		}
	}()
	return s
}

func (s *keepStarter) start(cmd *exec.Cmd) error {
	err := make(chan error)
	s.commands <- func() { err <- cmd.Start() }
	return <-err
}

// keepResults are the last exit statuses.
type keepResults struct {
	mu   sync.Mutex
	last map[string]int
}

func (r *keepResults) note(name string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[name] = status
}

// err is how the commands ended when none is to be restarted.
func (r *keepResults) err(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, status := range r.last {
		switch {
		case status == 0:
		case n == 1:
			return statusError{status: status}
		default:
			return fmt.Errorf("%s ended with status %d", name, status)
		}
	}
	return nil
}
