package supervisor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// ward is a child in this program's care, whatever it runs: how it is started,
// told, signalled and reaped. Fields without a remark are set before it is
// started.
type ward struct {
	program  string   // path of what runs, "" for this program
	args     []string // and its arguments, with its name
	cmd      *exec.Cmd
	pid      int
	started  time.Time
	inherits int64         // peak RSS of this process when it forked; see peakRSS
	notices  io.ReadCloser // what the child has to say
	lifeline *ipc.PipeFile
	output   *output
	ends     []*os.File // the child's ends of its pipes, until it has them
	spawned  <-chan error
	name     string // for messages
	prefix   string // of the lines it prints

	lmu    sync.Mutex // orders writes to lifeline
	cut    bool       // lifeline is closed
	reaped bool       // guarded by lmu: the process is gone, its pid may be another's
}

// prepare makes the lifeline and the output of a child. tasks and notices are
// its ends of the other two pipes; they belong to the ward from here on, even
// after an error.
func (w *ward) prepare(tasks, notices *os.File, stdout, stderr *lineWriter) error {
	w.ends = []*os.File{tasks, notices}
	lifeR, lifeW, err := ipc.NewPipe(0)
	if err == nil {
		w.ends = append(w.ends, lifeR.File())
		w.lifeline = lifeW
		w.output, err = newOutput(stdout, stderr)
	}
	if err != nil {
		w.abandon()
	}
	return err
}

// abandon closes everything of a child that was not started.
func (w *ward) abandon() {
	w.closeEnds()
	if w.notices != nil {
		_ = w.notices.Close()
	}
	if w.lifeline != nil {
		_ = w.lifeline.Close()
	}
	if w.output != nil {
		w.output.abort()
	}
}

func (w *ward) closeEnds() {
	for _, f := range w.ends {
		_ = f.Close()
	}
	w.ends = nil
}

// start starts the child, which inherits the ends of its pipes and then the
// given files. The caller abandons the ward after an error.
func (w *ward) start(s *spawner, cpus []int, env []string, files ...*os.File) error {
	if err := w.begin(s, cpus, env, files...); err != nil {
		return err
	}
	return w.begun()
}

// begin is the first half of start: it returns while the child is forked. The
// files must stay open until begun has returned.
func (w *ward) begin(s *spawner, cpus []int, env []string, files ...*os.File) error {
	exe, args := w.program, w.args
	if exe == "" {
		var err error
		if exe, err = executable(); err != nil {
			return fmt.Errorf("supervisor: finding the executable: %w", err)
		}
		args = []string{os.Args[0]}
	}
	w.started, w.inherits = time.Now(), ownPeakRSS()
	w.cmd = &exec.Cmd{
		Path: exe, Args: args,
		Env:    childEnv(env, wire.Marker(int(w.ends[0].Fd()))),
		Stdout: w.output.childStdout, Stderr: w.output.childStderr, // Stdin: /dev/null
		ExtraFiles:  append(slices.Clip(w.ends), files...),
		SysProcAttr: sysProcAttr(),
	}
	w.spawned = s.begin(w.cmd, cpus)
	return nil
}

// begun waits for what begin has begun.
func (w *ward) begun() error {
	if err := <-w.spawned; err != nil {
		return err
	}
	w.pid = w.cmd.Process.Pid
	w.closeEnds() // it has its own copies
	stops.add(w)
	w.output.begin(strings.ReplaceAll(w.prefix, "{pid}", strconv.Itoa(w.pid)))
	return nil
}

// signalGroup sends a signal to the child's process group. The process is not
// reaped before lmu says so, so its number cannot be another's by then.
func (w *ward) signalGroup(sig syscall.Signal) {
	w.lmu.Lock()
	defer w.lmu.Unlock()
	if !w.reaped {
		_ = syscall.Kill(-w.pid, sig) // gone already, at worst
	}
}

func (w *ward) kill() { w.signalGroup(syscall.SIGKILL) }

// terminate sends SIGTERM to the group, and tells the child before that it is
// the supervisor's own.
func (w *ward) terminate() {
	w.tell(wire.AppendSlots(nil, wire.KindTerminate))
	w.signalGroup(syscall.SIGTERM)
}

// tell writes a frame to the lifeline.
func (w *ward) tell(body []byte) {
	w.lmu.Lock()
	defer w.lmu.Unlock()
	if !w.cut && !w.reaped {
		_, _ = w.lifeline.Write(ipc.AppendFrame(nil, body)) // dead, at worst
	}
}

// reap waits for a child that is ending, or must.
func (w *ward) reap() {
	// The whole group, before the number of its leader can be another's. Who
	// has closed its notices by ending keeps its exit status.
	w.kill()
	w.lmu.Lock()
	w.reaped = true // a moment early: no timer may send a signal after Wait
	w.cut = true
	_ = w.lifeline.Close()
	w.lmu.Unlock()
	stops.remove(w)
	_ = w.cmd.Wait() // its status is read by exitError
}

// finish reads what a reaped child has left in its output.
func (w *ward) finish() {
	_ = w.notices.Close()
	w.output.finish()
}

// exitError describes how the process ended.
func (w *ward) exitError(memoryLimit int64) *ExitError {
	e := &ExitError{Code: -1, Stderr: w.output.tail()}
	ps := w.cmd.ProcessState
	if ps == nil {
		return e
	}
	if ws, ok := ps.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal, e.Core = ws.Signal(), ws.CoreDump()
	} else {
		e.Code = ps.ExitCode()
	}
	if ru, ok := ps.SysUsage().(*syscall.Rusage); ok {
		e.PeakRSS = peakRSS(ru, w.inherits)
	}
	e.memory = memoryLimit > 0 && memoryExhausted(e.Stderr)
	return e
}

// how says in a few words how the process ended.
func (e *ExitError) how() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d, %v", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// memoryExhausted recognises the last words of a worker that was refused
// memory: the Go runtime's, and its own. Where the collector is refused some,
// the runtime does not notice and runs into a fault on its own stack, goroutine
// 0; where the C library is, it aborts there, at a place without a Go name.
func memoryExhausted(stderr string) bool {
	if strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "runtime: cannot allocate") {
		return true
	}
	fault, stack, ok := strings.Cut(stderr, "\ngoroutine 0 ")
	if !ok || !strings.Contains(fault, "SIG") || strings.Contains(fault, "during cgo") {
		return false
	}
	_, first, _ := strings.Cut(stack, "\n")
	return strings.HasPrefix(first, "runtime.") || strings.HasPrefix(first, "runtime: g 0 ")
}
