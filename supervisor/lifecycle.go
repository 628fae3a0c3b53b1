package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"yunta/ipc"
)

// startProcesses makes what the children share and starts them.
func (p *core) startProcesses(ctx context.Context) (err error) {
	n := p.o.Processes
	if p.masks, err = p.o.Pin.masks(n); err != nil {
		p.release()
		return err
	}
	if p.file, err = ipc.NewExtentsFile(); err != nil {
		p.release()
		return fmt.Errorf("supervisor: result file: %w", err)
	}
	p.stdout, p.stderr = newLineWriter(p.o.Stdout), newLineWriter(p.o.Stderr)
	if p.o.Stderr == nil {
		p.stderr = newLineWriter(os.Stderr)
	}
	p.unstarted = n
	if p.o.OnDemand {
		p.unstarted = 1
	}
	p.spawner = takeSpawner()
	first, err := p.launchFirst()
	if err != nil {
		p.release()
		return err
	}
	if err := p.share(); err != nil {
		discard(first)
		p.release()
		return err
	}
	for i, w := range first {
		if err = p.enlist(w); err != nil {
			discard(first[i+1:])
			break
		}
	}
	if err == nil {
		select {
		case err = <-p.started:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		// What was started goes, and nothing is left when the error returns.
		p.once.Do(func() {})
		p.terminate(err)
		for _, w := range p.startedWorkers() {
			w.kill()
		}
		<-p.done
		return err
	}
	p.helpers.Add(1)
	go p.monitor()
	return nil
}

func (p *core) startedWorkers() []*worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.present()
}

// present returns the workers that are not gone; core.mu is held.
func (p *core) present() (out []*worker) {
	for _, w := range p.workers {
		if w != nil && w.state != stateDead {
			out = append(out, w)
		}
	}
	return out
}

// ready takes note of a worker that can be given work.
func (p *core) ready(w *worker) {
	p.mu.Lock()
	if w.state == stateStarting {
		_ = p.board.Serving(w.index) // for onlookers only
		w.state = stateReady
		if w.relay == nil { // else when it has begun a task: it may say anything
			p.failedStarts[w.index] = failedStarts{}
		}
	}
	all := true
	for _, o := range p.workers[:p.unstarted] {
		all = all && o != nil && o.state != stateStarting
	}
	p.mu.Unlock()
	if all || p.o.Initializer.IsZero() {
		p.once.Do(func() { p.started <- nil })
	}
	p.kick()
}

// grow starts another worker of an OnDemand pool if tasks wait that no worker
// has room for, and reports whether it does; core.mu is held.
func (p *core) grow() bool {
	if p.unstarted >= len(p.workers) || p.state == poolTerminated || p.leaving || p.jobs.len() == 0 {
		return false
	}
	waiting := p.jobs.first().pending()
	for _, w := range p.workers[:p.unstarted] {
		if w == nil || w.state == stateStarting {
			waiting-- // there will be room for that one
		}
	}
	if waiting <= 0 {
		return false
	}
	index := p.unstarted
	p.unstarted++
	p.running++ // or the pool could end meanwhile
	go func() {
		// Those that run go on without it.
		if err := p.startWorker(index, 1); err != nil {
			p.o.Logger.Warn("starting a worker", "worker", index, "err", err)
		}
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
		p.settleDown()
	}()
	return true
}

// failedStarts counts the starts of a worker that came to nothing since one
// did not: by themselves, and because somebody killed the child meanwhile.
type failedStarts struct{ failed, killed int }

// gone replaces a worker that is gone, unless the pool is ending.
func (p *core) gone(w *worker, unready bool, startErr error, exit *ExitError, died bool) {
	p.mu.Lock()
	p.workers[w.index] = nil // it counts as running until its successor does
	if !unready && died {
		p.stats.Died++
	}
	replace := p.state == poolOpen || p.state == poolClosing && !p.leaving
	attempts, broken, killed := 0, false, false
	if w.relay != nil && died && !w.relay.proved.Load() {
		unready = true // or one that ends whenever it is ready would be started for ever
		if startErr == nil {
			startErr = exit
		}
	}
	if unready {
		f := &p.failedStarts[w.index]
		_, late := errors.AsType[lateError](startErr)
		killed = (exit.Signal == syscall.SIGKILL || exit.Signal == syscall.SIGTERM) && !late && w.broke == nil
		if killed {
			f.killed++
		} else {
			f.failed++
		}
		attempts = f.failed + f.killed
		broken = f.failed >= startAttempts || f.killed >= startKills
	}
	p.mu.Unlock()
	if unready {
		// Before the pool is up its maker hears of it, unless somebody else killed
		// the child; later the pool tries again.
		first := false
		if !killed || broken {
			p.once.Do(func() { first = true; p.started <- startErr })
		}
		if first {
			replace = false
		} else if replace && broken {
			replace = false
			p.giveUp(fmt.Errorf("%w: worker %d, %d times in a row: %w", ErrPoolBroken, w.index, attempts, startErr))
		}
	}
	if died && replace {
		p.o.Logger.Warn("worker died", "worker", w.index, "pid", w.pid, "how", exit.how())
	}
	if replace {
		if err := p.startWorker(w.index, w.incarnation+1); err != nil {
			p.giveUp(fmt.Errorf("%w: worker %d: %w", ErrPoolBroken, w.index, err))
		} else {
			p.mu.Lock()
			p.stats.Restarts++
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	p.running--
	p.mu.Unlock()
	p.settleDown()
}

// settleDown takes the next step towards the pool's end, if it is due.
func (p *core) settleDown() {
	p.mu.Lock()
	if p.state == poolOpen {
		p.mu.Unlock()
		return
	}
	var leave []*worker
	if p.state == poolClosing && len(p.live) == 0 && !p.leaving {
		p.leaving = true
		leave = p.present()
		for _, w := range leave {
			w.leaving = true
		}
	}
	over := p.running == 0 && (p.leaving || p.state == poolTerminated) && !p.over
	p.over = p.over || over
	p.mu.Unlock()
	for _, w := range leave {
		go w.askToLeave() // whoever ended the last job must not wait for a pipe
	}
	if p.twins != nil {
		p.twins.settle()
	}
	if over {
		close(p.quit)
		go p.shutdown() // the caller may be one of those it waits for
	}
}

// shutdown releases what the pool had, once all workers are gone.
func (p *core) shutdown() {
	p.helpers.Wait()
	p.mu.Lock()
	p.unmapped = true
	for p.holders > 0 {
		p.released.Wait()
	}
	unhook := p.unhook
	p.mu.Unlock()
	p.release()
	if p.logs != nil {
		p.logs.close()
	}
	unhook()
	close(p.done)
}

// hold keeps mapped memory mapped until letGo; false when it is gone.
func (p *core) hold() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unmapped {
		return false
	}
	p.holders++
	return true
}

func (p *core) letGo() {
	p.mu.Lock()
	if p.holders--; p.holders == 0 && p.unmapped {
		p.released.Broadcast()
	}
	p.mu.Unlock()
}
