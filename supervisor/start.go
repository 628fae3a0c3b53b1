package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
)

// testHookStart may fail the start of a worker.
var testHookStart func(index, incarnation int) error

// startWorker starts one incarnation of a worker and the goroutine that looks
// after it.
func (p *core) startWorker(index, incarnation int) error {
	w, err := p.launch(index, incarnation)
	if err != nil {
		return err
	}
	return p.enlist(w)
}

// launchFirst has the processes of the first workers started while the caller
// makes what they will share. After an error there are none.
func (p *core) launchFirst() ([]*worker, error) {
	var all []*worker
	for i := range p.unstarted {
		w, err := p.launch(i, 1)
		if err != nil {
			discard(all)
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// discard ends processes that were launched and will not be enlisted.
func discard(all []*worker) {
	for _, w := range all {
		_ = w.tasks.Close()
		if w.begun() != nil {
			w.abandon()
			continue
		}
		w.reap()
		w.finish()
	}
}

// launch has the process of a worker started, which then waits for its
// configuration. Who launches must enlist or discard it.
func (p *core) launch(index, incarnation int) (w *worker, err error) {
	if testHookStart != nil {
		err = testHookStart(index, incarnation)
	}
	switch {
	case err != nil:
	case p.o.Command != nil:
		w, err = p.launchPlain(index, incarnation)
	default:
		w, err = p.launchOwn(index, incarnation)
	}
	if err != nil {
		return nil, notStarted(index, err)
	}
	return w, nil
}

func notStarted(index int, err error) error {
	return fmt.Errorf("supervisor: starting worker %d: %w", index, err)
}

// launchOwn is launch for a worker of this program.
func (p *core) launchOwn(index, incarnation int) (*worker, error) {
	tasksR, tasksW, err := ipc.NewPipe(tasksPipe)
	if err != nil {
		return nil, err
	}
	noticesR, noticesW, err := ipc.NewPipe(0)
	if err != nil {
		_, _ = tasksR.Close(), tasksW.Close()
		return nil, err
	}
	w := p.newWorker(index, incarnation, noticesR)
	w.tasks, w.capacity = tasksW, max(tasksW.Capacity(), smallestPipe)
	if err := w.prepare(tasksR.File(), noticesW.File(), p.stdout, p.stderr); err != nil {
		_ = tasksW.Close()
		return nil, err
	}
	shared := []*os.File{p.file}
	if p.ledger != nil {
		shared = append(shared, p.ledger.file.File())
	}
	return w, w.launch(shared...)
}

// newWorker makes the supervisor's side of one incarnation of a worker.
func (p *core) newWorker(index, incarnation int, notices io.ReadCloser) *worker {
	prefix := strings.NewReplacer("{worker}", strconv.Itoa(index), "{name}", childName(p.o.Name, index)).Replace(p.o.Prefix)
	w := &worker{
		ward: ward{notices: notices, name: fmt.Sprintf("worker %d", index), prefix: prefix},
		core: p, index: index, incarnation: incarnation, writer: uint32(index) + 1, cpus: p.masks[index],
		exited: make(chan struct{}), known: make(map[string]uint32),
	}
	w.free = make([]uint32, wire.SlotsPerWorker)
	for i := range w.free {
		w.free[i] = wire.SlotsPerWorker - 1 - uint32(i)
	}
	if incarnation > 1 {
		p.mu.Lock()
		w.writer = p.writers
		p.writers++
		p.mu.Unlock()
	}
	return w
}

// launch has a prepared worker's process started, or leaves nothing of it behind.
func (w *worker) launch(shared ...*os.File) error {
	err := w.begin(w.core.spawner, w.cpus, w.core.o.Env, shared...)
	if err != nil {
		w.abandon()
		_ = w.tasks.Close()
	}
	return err
}

// enlist makes a process that was launched one of the pool's workers.
func (p *core) enlist(w *worker) error {
	if err := w.begun(); err != nil {
		w.abandon()
		_ = w.tasks.Close()
		return notStarted(w.index, err)
	}
	w.bell = wire.BellAt(p.area, w.index)
	if w.incarnation == 1 && w.index < len(p.assigned) {
		w.extent = p.assigned[w.index] + 1
	}
	equip := w.configure
	if p.o.Command != nil {
		equip = w.equip
	}
	if err := equip(); err != nil {
		_ = w.tasks.Close()
		w.reap()
		w.finish()
		return err
	}
	index := w.index
	p.mu.Lock()
	p.running++
	p.workers[index] = w
	terminated, leaving := p.state == poolTerminated, p.leaving
	w.leaving = leaving
	_ = p.board.Starting(index, w.pid, w.incarnation-1) // for onlookers only
	p.mu.Unlock()
	p.trace.started(w)
	go w.serve()
	if w.relay != nil {
		w.relay.start()
	}
	switch { // while it was being started
	case terminated:
		w.escalate(0)
	case leaving:
		w.askToLeave()
	}
	p.o.Logger.Debug("worker started", "worker", index, "pid", w.pid, "incarnation", w.incarnation, "cpus", w.cpus)
	return nil
}

// childName is a worker's name.
func childName(pool string, index int) string { return fmt.Sprintf("%.9s:w%d", pool, index) }

// configure puts the child's configuration into its tasks pipe, most often
// before the child comes to read it.
func (w *worker) configure() error {
	p := w.core
	c := wire.Config{
		Magic: wire.Magic, Version: wire.Version, Build: child.Build(), Pool: p.o.Name,
		Name:   childName(p.o.Name, w.index),
		Worker: w.index, Incarnation: w.incarnation, ParentPID: os.Getpid(), ParentName: child.Self().Name, Identity: append(slices.Clone(child.Self().Identity), w.index+1), Writer: w.writer, Extent: w.extent, CPUs: w.cpus,
		Board: p.boardPath, Traced: p.traced(), RunDir: p.dir.Path(), MemoryLimit: p.o.MemoryLimit,
	}
	c.LogLevel, c.Logs = logLevel(p.o.Logger)
	if p.ledger != nil {
		c.Results = &wire.Results{Sync: int(p.o.ResultsSync)}
	}
	var err error
	if c.Initializer, err = p.o.Initializer.Invocation(); err != nil {
		return err
	}
	if c.Exit, err = p.o.Exit.Invocation(); err != nil {
		return err
	}
	body, err := wire.Append(nil, wire.KindConfig, c)
	if err != nil {
		return err
	}
	if len(body) > wire.MaxFrame {
		return fmt.Errorf("supervisor: the arguments of Initializer and Exit make %d bytes, the limit is %d", len(body), wire.MaxFrame)
	}
	frame := ipc.AppendFrame(nil, body)
	if len(frame) > w.capacity/2 {
		w.config = frame // more than the pipe holds: sent once the child reads
		return nil
	}
	if _, err = w.tasks.Write(frame); errors.Is(err, syscall.EPIPE) {
		return nil // it is dead already, which its own goroutine sees
	}
	return err
}
