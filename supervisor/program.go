package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"yunta/child"
	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
)

// ErrNoEntry is returned by calls of an entry that the program of Command does
// not have.
var ErrNoEntry = errors.New("supervisor: the workers' program has no such entry")

// checkForeign finds the program of Command, and refuses calls of entries that
// live in one where there is none.
func (o *PoolOptions) checkForeign() (err error) {
	if o.Command != nil {
		if o.program, err = exec.LookPath(o.Command[0]); err != nil {
			return fmt.Errorf("supervisor: Command: %w", err)
		}
		return nil
	}
	for _, c := range []child.Call{o.Initializer, o.Exit} {
		if c.IsForeign() {
			return fmt.Errorf("supervisor: %w: %q", child.ErrForeign, c.Name())
		}
	}
	return nil
}

// callable reports whether the workers can have a job's entry; core.mu is held.
func (p *core) callable(j *job) error {
	switch {
	case p.o.Command == nil && j.typed.isForeign():
		return fmt.Errorf("supervisor: %w: %q", child.ErrForeign, j.entry)
	case p.o.Command != nil && !slices.Contains(p.entries, j.entry):
		return noEntry(p.o.Command, j.entry, p.entries)
	}
	return nil
}

func noEntry(command []string, name string, known []string) error {
	return fmt.Errorf("%w: %s has no %q; it has %s", ErrNoEntry, commandText(command), name, quoted(known))
}

// commandText names a command in messages, cut if it is long.
func commandText(command []string) string {
	const most = 80
	s := strings.Join(command, " ")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return fmt.Sprintf("%q", s)
}

func quoted(names []string) string {
	const most = 20
	if len(names) == 0 {
		return "none"
	}
	var out []string
	for _, n := range names[:min(len(names), most)] {
		out = append(out, fmt.Sprintf("%q", n))
	}
	if n := len(names) - most; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

// launchPlain is launch for a worker of Command.
func (p *core) launchPlain(index, incarnation int) (*worker, error) {
	// Pipes of the runtime's poller, unlike those of a worker of this program:
	// closing one ends a read or write that is blocked, and only that can be
	// relied on when the other end may be in hands that nobody knows.
	tasksR, tasksW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	noticesR, noticesW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, tasksR.Close(), tasksW.Close())
	}
	words := &lastWords{file: noticesR}
	w := p.newWorker(index, incarnation, words)
	w.program, w.args = p.o.program, p.o.Command
	w.tasks, w.capacity = tasksW, smallestPipe
	w.relay = newRelay(w, words)
	if err := w.prepare(tasksR, noticesW, p.stdout, p.stderr); err != nil {
		return nil, errors.Join(err, tasksW.Close())
	}
	return w, w.launch()
}

// equip is configure for a worker of Command: its relay sends the configuration.
func (w *worker) equip() (err error) {
	p := w.core
	if w.relay.config, err = w.plainConfig(); err != nil {
		return err
	}
	if p.ledger != nil {
		w.relay.records = p.ledger.file.NewWriter(w.writer, ipc.ExtentRef(w.bell.Results.Load()))
		w.relay.records.OnExtent = func(x ipc.ExtentRef) { w.bell.Results.Store(uint64(x)) }
	}
	return nil
}

// start starts what a worker of Command needs beside its own goroutine.
func (r *relay) start() {
	r.line, _ = board.OpenLineFor(r.w.core.boardPath, r.w.index, r.w.pid, r.w.cpus) // for onlookers only
	go r.run(r.config)
	go r.w.watchExit()
}

// plainConfig is the first frame for a worker of Command.
func (w *worker) plainConfig() ([]byte, error) {
	p := w.core
	c := wire.PlainConfig{
		Magic: wire.PlainMagic, Version: wire.PlainVersion, Pool: p.o.Name, Name: childName(p.o.Name, w.index),
		Worker: w.index, Incarnation: w.incarnation, ParentPID: os.Getpid(), CPUs: w.cpus, MemoryLimit: p.o.MemoryLimit,
	}
	c.LogLevel, c.Logs = logLevel(p.o.Logger)
	var err error
	if c.Initializer, err = p.o.Initializer.PlainInvocation(); err != nil {
		return nil, err
	}
	if c.Exit, err = p.o.Exit.PlainInvocation(); err != nil {
		return nil, err
	}
	body, err := wire.Append(nil, wire.KindConfig, c)
	if err != nil {
		return nil, err
	}
	if len(body) > wire.MaxFrame {
		return nil, fmt.Errorf("supervisor: the arguments of Initializer and Exit make %d bytes, the limit is %d", len(body), wire.MaxFrame)
	}
	return ipc.AppendFrame(nil, body), nil
}

// greeted takes a Hello, unless there was one before.
func (r *relay) greeted(body []byte, before bool) error {
	p, name := r.w.core, commandText(r.w.core.o.Command)
	if before {
		return fmt.Errorf("%w: a second hello", wire.ErrProtocol)
	}
	var h wire.PlainHello
	if err := wire.Parse(body, &h); err != nil {
		return fmt.Errorf("supervisor: the hello of %s: %w", name, err)
	}
	if h.Version != wire.PlainVersion {
		return fmt.Errorf("supervisor: %s speaks version %d of the plain protocol, this program version %d", name, h.Version, wire.PlainVersion)
	}
	for _, c := range []child.Call{p.o.Initializer, p.o.Exit} {
		if !c.IsZero() && !slices.Contains(h.Entries, c.Name()) {
			return noEntry(p.o.Command, c.Name(), h.Entries)
		}
	}
	p.mu.Lock()
	p.entries = h.Entries
	p.mu.Unlock()
	return nil
}

// whyNotUp says why a worker that is gone never became ready, as far as its exit
// status does not.
func (r *relay) whyNotUp(hello, up, late bool) error {
	o := r.w.core.o
	name := commandText(o.Command)
	switch {
	case late && hello:
		return lateError{fmt.Errorf("supervisor: %s did not say within %v that it is ready", name, o.StartTimeout)}
	case late:
		return lateError{fmt.Errorf("supervisor: %s did not say hello within %v: is it a worker that speaks the plain protocol?", name, o.StartTimeout)}
	case r.w.broke != nil && !up:
		return fmt.Errorf("supervisor: %s does not speak the plain protocol: %w", name, r.w.broke)
	case !hello:
		return fmt.Errorf("supervisor: %s did not say hello: is it a worker that speaks the plain protocol?", name)
	}
	return nil
}
