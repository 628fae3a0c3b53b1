package ipc

import (
	"fmt"
	"time"
)

// Append writes a whole record at once, with all that it says but Ref. A PID of 0
// is this process, a zero Started or Ended is now; one that is RecordRunning stays
// so. Any number of goroutines may append.
func (f *ResultFile) Append(r Record) error {
	f.fill(&r)
	if r.Ended.IsZero() {
		r.Ended = time.Now()
	}
	return f.appendRecord(&r, f.kept(&r))
}

func (f *ResultFile) appendRecord(r *Record, kept []byte) error {
	if r.Status > RecordUnsuccessful {
		return fmt.Errorf("ipc: Append with status %v", r.Status)
	}
	f.own.Lock()
	defer f.own.Unlock()
	if f.append == nil {
		f.append = f.NewWriter(r.Writer, 0)
	}
	w := f.append
	if err := w.begin(r, kept); err != nil {
		return err
	}
	if r.Status == RecordRunning {
		return f.guard(w.abandon)
	}
	return w.commit(r.Payload, r.Status, r.Ended)
}

func (f *ResultFile) kept(r *Record) []byte {
	return r.Argument[:min(len(r.Argument), f.opts.KeepArgument)]
}

func (f *ResultFile) fill(r *Record) {
	if r.PID == 0 {
		r.PID = f.pid
	}
	if r.Started.IsZero() {
		r.Started = time.Now()
	}
}
