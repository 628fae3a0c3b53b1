package ipc

import (
	"errors"
	"time"
)

// resultsSyncer is the goroutine of SyncInterval. It runs in each process that
// opened the file by its path, and syncs what all of them wrote: the dirty
// pages of a file belong to the file.
type resultsSyncer struct {
	f    *ResultFile
	quit chan struct{}
	done chan struct{}
	errs []error // readable after done
}

func startSyncer(f *ResultFile, every time.Duration) *resultsSyncer {
	s := &resultsSyncer{f: f, quit: make(chan struct{}), done: make(chan struct{})}
	go s.run(every)
	return s
}

func (s *resultsSyncer) run(every time.Duration) {
	defer close(s.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.syncIfDirty()
		case <-s.quit:
			s.syncIfDirty()
			return
		}
	}
}

func (s *resultsSyncer) syncIfDirty() {
	err := s.f.guard(func() error {
		if s.f.dirty.Load() == 0 {
			return nil
		}
		return s.f.sync()
	})
	// One that failed once will fail again: the first says all.
	if err != nil && len(s.errs) == 0 {
		s.errs = append(s.errs, err)
	}
}

// stop returns when the last sync is done, with what went wrong in any.
func (s *resultsSyncer) stop() error {
	close(s.quit)
	<-s.done
	return errors.Join(s.errs...)
}

// touched says that something was written. Most often somebody has said so
// already, and reading a line that nobody changes costs nothing.
func (f *ResultFile) touched() {
	if f.dirty.Load() == 0 {
		f.dirty.Store(1)
	}
}
