package load

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"yunta/child/affinity"
	"yunta/cmd/yunta/internal/compare"
)

//go:embed python.py
var script string

// An Executor starts hosts.
type Executor struct {
	Host   []string // the command that calls [Serve]
	Python string   // path of the interpreter, "" for none
	script string   // path
	CPUs   []int    // that every run is confined to; nil where that cannot be done
}

// NewExecutor prepares for so many workers. Close removes what it has written.
func NewExecutor(host []string, python string, workers int) (*Executor, error) {
	e := &Executor{Host: host, Python: python}
	if cpus, err := affinity.Usable(); err == nil && affinity.Supported() == nil {
		e.CPUs = cpus[:min(workers, len(cpus))]
	}
	if python != "" {
		f, err := os.CreateTemp("", "yunta-compare-*.py")
		if err != nil {
			return nil, err
		}
		e.script = f.Name()
		_, err = f.WriteString(script)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}

// Close removes the script.
func (e *Executor) Close() error {
	if e.script == "" {
		return nil
	}
	return os.Remove(e.script)
}

// Run does one run, and adds what only its parent sees: the processor time, and what others used meanwhile.
func (e *Executor) Run(ctx context.Context, s Spec) (*Outcome, error) {
	command := e.Host
	spec := map[string]any{}
	var text []byte
	var err error
	if s.Model == "python" {
		command = []string{e.Python, e.script}
		if text, err = json.Marshal(s); err == nil {
			err = json.Unmarshal(text, &spec)
		}
		spec["quantiles"], spec["sizes"] = compare.Quantiles, s.Sizes()
		if err == nil {
			text, err = json.Marshal(spec)
		}
	} else {
		text, err = json.Marshal(s)
	}
	if err != nil {
		return nil, err
	}
	ran, err := e.command(ctx, command, bytes.NewReader(text), true)
	if err != nil {
		return nil, err
	}
	if ran.err != nil {
		if s.Fault != "" {
			return &Outcome{Fault: &compare.Fault{
				Fault: s.Fault, Arm: s.Model, Tasks: faultTasks, Outcome: "lost", Detail: ran.reason(), Seconds: ran.wall.Seconds(),
			}}, nil
		}
		return nil, fmt.Errorf("the run of %s by %s failed: %s", s.Workload, s.Model, ran.reason())
	}
	var o Outcome
	if err := json.Unmarshal(ran.stdout.Bytes(), &o); err != nil {
		return nil, fmt.Errorf("the run of %s by %s answered nonsense: %w", s.Workload, s.Model, err)
	}
	if o.Run.Metrics != nil {
		o.Run.Metrics["cpu"] = ran.cpu.Seconds()
	}
	o.Run.Load = ran.others
	return &o, nil
}

// Command runs one of any two commands.
func (e *Executor) Command(ctx context.Context, command []string) (*compare.Run, error) {
	ran, err := e.command(ctx, command, nil, false)
	if err != nil {
		return nil, err
	}
	r := &compare.Run{Metrics: map[string]float64{"seconds": ran.wall.Seconds(), "cpu": ran.cpu.Seconds()}, Load: ran.others}
	if ran.err != nil {
		r.Error = ran.reason()
	}
	return r, nil
}

// A ran is a command that has ended.
type ran struct {
	stdout, stderr bytes.Buffer
	wall, cpu      time.Duration
	others         float64 // processors that other programs used, -1 if unknown
	err            error   // how it ended, nil for status 0
}

func (r *ran) reason() string {
	if line := firstLine(r.stderr.String()); line != "" {
		return line
	}
	return r.err.Error()
}

// giveUp bounds a run: one that takes longer hangs.
const giveUp = 5 * time.Minute

func (e *Executor) command(ctx context.Context, command []string, stdin *bytes.Reader, keep bool) (*ran, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	r := &ran{others: -1}
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if keep {
		cmd.Stdout = &r.stdout
	}
	cmd.Stderr = &limited{&r.stderr}
	before := busy()
	began := time.Now()
	if err := e.start(cmd); err != nil {
		return nil, err
	}
	r.err = cmd.Wait()
	r.wall = time.Since(began)
	if ctx.Err() != nil && r.err != nil {
		return nil, context.Cause(ctx)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if after := busy(); before.known && after.known && r.wall > 0 {
		r.others = max(0, (after.seconds-before.seconds-r.cpu.Seconds())/r.wall.Seconds())
	}
	return r, nil
}

// start starts a command on the executor's cores: a child inherits the mask of the thread that forks it.
func (e *Executor) start(cmd *exec.Cmd) error {
	if e.CPUs == nil {
		return cmd.Start()
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its mask with it
		if err := affinity.SetThread(e.CPUs); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// limited keeps the beginning of what is written.
type limited struct{ *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := 64<<10 - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
