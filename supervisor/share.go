package supervisor

import (
	"fmt"
	"path/filepath"

	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/rundir"
)

// share makes what supervisor and children share.
func (p *core) share() (err error) {
	n := p.o.Processes
	if p.dir, err = rundir.Create("pool"); err != nil {
		return fmt.Errorf("supervisor: run directory: %w", err)
	}
	if swept := p.dir.Swept(); swept > 0 {
		p.o.Logger.Info("removed what dead supervisors left", "folders", swept)
	}
	p.extents, err = ipc.CreateExtents(ipc.ExtentOptions{Area: p.areaSize(n), Dir: p.dir.Path(), File: p.file})
	if err != nil {
		return fmt.Errorf("supervisor: result file: %w", err)
	}
	for i := range p.unstarted {
		id, err := p.extents.Assign(uint32(i) + 1)
		if err != nil {
			return fmt.Errorf("supervisor: result file: %w", err)
		}
		p.assigned = append(p.assigned, id)
	}
	p.area = p.extents.Area().Bytes()
	p.shared = wire.SharedAt(p.area)
	if p.ledger != nil {
		for i, x := range p.ledger.spareExtents() {
			if i < n {
				wire.BellAt(p.area, i).Results.Store(uint64(x))
			}
		}
	}
	// Never more spinners than cores without work: one core is left to whoever
	// they wait for.
	free := p.o.cores - 1
	p.canSpin = free > 0
	if n <= p.o.cores {
		p.shared.SpinMax.Store(int32(free))
	}
	p.boardPath = filepath.Join(p.dir.Path(), "board")
	if p.board, err = board.Create(p.boardPath, n, p.o.Name); err != nil {
		return fmt.Errorf("supervisor: board: %w", err)
	}
	p.oom.begin()
	p.logs = newLogPump(p.o.Logger)
	return nil
}

// release gives back what the children shared.
func (p *core) release() {
	p.trace.close(p)
	if p.o.Pin.mode == pinAuto || p.o.Pin.mode == pinCores {
		cores.give(p.masks)
	}
	if p.spawner != nil {
		p.spawner.release()
	}
	switch {
	case p.extents != nil:
		_ = p.extents.Close()
	case p.file != nil:
		_ = p.file.Close()
	}
	if p.board != nil {
		_ = p.board.Close()
	}
	if p.dir != nil {
		_ = p.dir.Close()
	}
	if p.ledger != nil {
		if err := p.ledger.file.Close(); err != nil {
			p.o.Logger.Warn("closing the results file", "file", p.o.ResultsFile, "err", err)
		}
	}
}
