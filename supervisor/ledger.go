package supervisor

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"yunta/child"
	"yunta/ipc"
)

// ErrResultsFile says that a task could not be recorded in the ResultsFile. The
// call ends with it, since what is not recorded would be done again; what was
// recorded before is safe.
var ErrResultsFile = errors.New("supervisor: results file")

// ledger is what a pool keeps of its ResultsFile. A call is known by its job's
// name, its entry, the digest of its argument, and its occurrence: how many
// equal ones were submitted before it. Never by its position, which an input
// that was put in front would change.
type ledger struct {
	file *ipc.ResultFile

	mu   sync.Mutex // guards what follows
	seen map[uint64]uint32
	done map[callKey]ipc.RecordRef // what had succeeded before and was not asked for since
}

// callKey is a digest of what identifies a call.
type callKey [16]byte

// openLedger opens the file for writing, by this pool alone, and learns from it
// what a resumed pool need not do again: interrupted counts the calls that had
// begun and whose end is not known.
func openLedger(o PoolOptions) (l *ledger, interrupted int, err error) {
	f, err := ipc.OpenResults(o.ResultsFile, ipc.ResultsOptions{
		New: !o.Resume, Exclusive: true, Patience: o.Grace, Sync: o.ResultsSync,
	})
	switch {
	case errors.Is(err, fs.ErrExist) && !o.Resume:
		return nil, 0, fmt.Errorf("%w: %s is there already: Resume goes on with it: %w", ErrResultsFile, o.ResultsFile, err)
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", ErrResultsFile, err)
	}
	l = &ledger{file: f, seen: make(map[uint64]uint32), done: make(map[callKey]ipc.RecordRef)}
	if !o.Resume {
		return l, 0, nil
	}
	last := make(map[callKey]lastTry)
	err = f.Scan(func(r *ipc.Record) error {
		key := keyOf(r.Job, r.Entry, r.Digest, r.Occurrence)
		if r.Status == ipc.RecordSucceeded {
			l.done[key] = r.Ref
			delete(last, key)
		} else if _, ok := l.done[key]; !ok && r.Started.UnixNano() >= last[key].began {
			last[key] = lastTry{r.Started.UnixNano(), r.Status == ipc.RecordRunning}
		}
		return nil
	})
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%w: %w", ErrResultsFile, err), f.Close())
	}
	for _, try := range last {
		if try.running {
			interrupted++
		}
	}
	return l, interrupted, nil
}

// lastTry is the last attempt at a call that did not succeed.
type lastTry struct {
	began   int64 // Unix time in ns
	running bool  // as far as the file says
}

func keyOf(job, entry string, digest [sha256.Size]byte, occurrence uint32) (k callKey) {
	sum := sha256.Sum256(callText(job, entry, digest, occurrence))
	copy(k[:], sum[:])
	return k
}

func callText(job, entry string, digest [sha256.Size]byte, occurrence uint32) []byte {
	b := make([]byte, 0, len(job)+len(entry)+sha256.Size+12)
	b = binary.BigEndian.AppendUint32(b, uint32(len(job)))
	b = append(b, job...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entry)))
	b = append(b, entry...)
	b = append(b, digest[:]...)
	return binary.BigEndian.AppendUint32(b, occurrence)
}

// occurrence counts a call.
func (l *ledger) occurrence(j *job, digest [sha256.Size]byte) uint32 {
	sum := sha256.Sum256(callText(j.name, j.entry, digest, 0))
	// Two that share these bits by chance only get other numbers, the same in
	// every run that submits them in this order.
	k := binary.BigEndian.Uint64(sum[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.seen[k]
	l.seen[k] = n + 1
	return n
}

// before takes the record of a call that has succeeded in an earlier run.
func (l *ledger) before(j *job, digest [sha256.Size]byte, occurrence uint32) (ipc.Record, bool) {
	l.mu.Lock()
	if len(l.done) == 0 {
		l.mu.Unlock()
		return ipc.Record{}, false
	}
	key := keyOf(j.name, j.entry, digest, occurrence)
	ref, ok := l.done[key]
	delete(l.done, key)
	l.mu.Unlock()
	if !ok {
		return ipc.Record{}, false
	}
	r, err := l.file.At(ref)
	// A record that cannot be read any more is a call to be made again.
	ok = err == nil && r.Status == ipc.RecordSucceeded && r.Digest == digest &&
		r.Occurrence == occurrence && r.Entry == j.entry && r.Job == j.name
	return r, ok
}

// enter prepares task i of a job for being recorded, and reports whether its
// result is there already: then it is stored.
func (l *ledger) enter(j *job, i int) (there bool) {
	digest, ok := j.typed.digest(i)
	if !ok {
		return false // it will fail when it is dealt
	}
	n := l.occurrence(j, digest)
	if n > 0 {
		j.mu.Lock()
		if j.occurrences == nil {
			j.occurrences = make(map[int]uint32)
		}
		j.occurrences[i] = n
		j.mu.Unlock()
	}
	r, ok := l.before(j, digest, n)
	return ok && j.typed.restore(i, r.Payload)
}

// enterAll enters the tasks of a job of known length that is not submitted yet,
// takes those out of it that are done, and returns them.
func (l *ledger) enterAll(j *job) (there []Span) {
	for i := range j.limit {
		if !l.enter(j, i) {
			continue
		}
		if k := len(there) - 1; k >= 0 && there[k].To == i {
			there[k].To++
		} else {
			there = append(there, Span{i, i + 1})
		}
	}
	if len(there) > 0 {
		from := 0
		for _, s := range there {
			if from < s.From {
				j.back = append(j.back, Span{from, s.From})
			}
			from = s.To
		}
		if from < j.limit {
			j.back = append(j.back, Span{from, j.limit})
		}
		j.next = j.limit
	}
	return there
}

// unrecorded ends a job if one of its tasks could not be recorded, and reports
// whether it is so. What runs still may finish, and is recorded if it can be.
func (p *core) unrecorded(j *job, i, worker, pid int, err error) bool {
	remote, ok := errors.AsType[*RemoteError](err)
	if !ok || remote.Stage != child.StageRecord {
		return false
	}
	cause := fmt.Errorf("%w: %s: %w", ErrResultsFile, p.o.ResultsFile, remote)
	j.fail(&TaskError{Entry: j.entry, Index: i, Worker: worker, PID: pid, Attempts: 1, Err: cause})
	p.endGently(j, cause)
	return true
}

// resumed counts tasks whose results were there.
func (p *core) resumed(n int) {
	p.mu.Lock()
	p.stats.Resumed += uint64(n)
	p.mu.Unlock()
}

// mark returns what a record of task i needs to know beside its argument.
func (j *job) mark(i int) (occurrence, attempt uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.occurrences[i], uint32(len(j.attempts[i]) + 1)
}

// openResults opens the pool's ResultsFile, if it has one.
func (p *core) openResults() error {
	if p.o.ResultsFile == "" {
		return nil
	}
	l, interrupted, err := openLedger(p.o)
	if err != nil {
		return err
	}
	p.ledger = l
	p.stats.Interrupted = uint64(interrupted)
	if p.o.Resume {
		p.o.Logger.Info("results file resumed", "file", p.o.ResultsFile, "done", len(l.done), "interrupted", interrupted)
	}
	return nil
}

// spareExtents are places in the file where dead writers have left room.
func (l *ledger) spareExtents() []ipc.ExtentRef {
	spare, err := l.file.Spare()
	if err != nil {
		return nil // only room: new places are made
	}
	return spare
}
