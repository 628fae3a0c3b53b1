package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
)

// testHookStart may fail the start of a worker.
var testHookStart func(index, incarnation int) error

// startWorker starts one incarnation of a worker and the goroutine that looks
// after it.
func (p *core) startWorker(index, incarnation int) (err error) {
	if testHookStart != nil {
		if err := testHookStart(index, incarnation); err != nil {
			return err
		}
	}
	tasksR, tasksW, err := ipc.NewPipe(tasksPipe)
	if err != nil {
		return err
	}
	noticesR, noticesW, err := ipc.NewPipe(0)
	if err != nil {
		_, _ = tasksR.Close(), tasksW.Close()
		return err
	}
	w := &worker{
		ward: ward{notices: noticesR, prefix: strings.NewReplacer("{worker}", strconv.Itoa(index), "{name}", childName(p.o.Name, index)).Replace(p.o.Prefix)},
		core: p, index: index, incarnation: incarnation, cpus: p.masks[index],
		tasks: tasksW, bell: wire.BellAt(p.area, index),
		exited: make(chan struct{}), known: make(map[string]uint32),
		capacity: max(tasksW.Capacity(), smallestPipe),
	}
	w.free = make([]uint32, wire.SlotsPerWorker)
	for i := range w.free {
		w.free[i] = wire.SlotsPerWorker - 1 - uint32(i)
	}
	p.mu.Lock()
	p.writers++
	w.writer = p.writers
	p.mu.Unlock()
	if err := w.prepare(tasksR.File(), noticesW.File(), p.stdout, p.stderr); err != nil {
		_ = tasksW.Close()
		return err
	}
	if err = w.configure(); err == nil {
		shared := []*os.File{p.extents.File()}
		if p.ledger != nil {
			shared = append(shared, p.ledger.file.File())
		}
		if err = w.start(p.spawner, w.cpus, p.o.Env, shared...); err != nil {
			err = fmt.Errorf("supervisor: starting worker %d: %w", index, err)
		}
	}
	if err != nil {
		w.abandon()
		_ = tasksW.Close()
		return err
	}
	p.mu.Lock()
	p.running++
	p.workers[index] = w
	terminated, leaving := p.state == poolTerminated, p.leaving
	w.leaving = leaving
	_ = p.board.Starting(index, w.pid, incarnation-1) // for onlookers only
	p.mu.Unlock()
	go w.serve()
	switch { // while it was being started
	case terminated:
		w.escalate(0)
	case leaving:
		w.askToLeave()
	}
	p.o.Logger.Debug("worker started", "worker", index, "pid", w.pid, "incarnation", incarnation, "cpus", w.cpus)
	return nil
}

// childName is a worker's name.
func childName(pool string, index int) string { return fmt.Sprintf("%.9s:w%d", pool, index) }

// configure puts the child's configuration into its tasks pipe, where it is
// when the child comes to read it.
func (w *worker) configure() error {
	p := w.core
	c := wire.Config{
		Magic: wire.Magic, Version: wire.Version, Build: child.Build(), Pool: p.o.Name,
		Name:   childName(p.o.Name, w.index),
		Worker: w.index, Incarnation: w.incarnation, ParentPID: os.Getpid(), ParentName: child.Self().Name, Identity: append(slices.Clone(child.Self().Identity), w.index+1), Writer: w.writer, CPUs: w.cpus,
		Board: p.boardPath, RunDir: p.dir.Path(), MemoryLimit: p.o.MemoryLimit,
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
	_, err = w.tasks.Write(frame)
	return err
}
