package supervisor

import (
	"crypto/sha256"
	"os"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock/mapped"
)

func (t *typedJob[A, R]) digest(i int) (d [sha256.Size]byte, ok bool) {
	t.ring.RLock()
	arg := t.args[i&t.mask]
	t.ring.RUnlock()
	b, err := t.encoded(t.scratch[:0], arg)
	if err != nil {
		return d, false
	}
	t.scratch = b
	return t.arg.Digest(t.arg.Inner(b)), true
}

func (t *typedJob[A, R]) digestOf(argument []byte) [sha256.Size]byte { return t.arg.Digest(argument) }

func (t *typedJob[A, R]) statusOf(result []byte) ipc.RecordStatus {
	var r R
	if _, ok := any(r).(child.Succeeder); !ok || t.decodeOne(&r, result) != nil {
		return ipc.RecordSucceeded
	}
	if any(r).(child.Succeeder).Succeeded() {
		return ipc.RecordSucceeded
	}
	return ipc.RecordUnsuccessful
}

// encoded is an argument's encoding, with what the wire puts around it.
func (t *typedJob[A, R]) encoded(dst []byte, arg A) (b []byte, err error) {
	defer func() {
		if v := recover(); v != nil { // the encoder is the user's code
			err = child.LocalPanic(child.StageEncodeArgument, v)
		}
	}()
	if b, err = t.arg.Append(dst, arg); err != nil {
		return nil, child.LocalError(child.StageEncodeArgument, err)
	}
	return b, nil
}

func (t *typedJob[A, R]) restore(i int, payload []byte) bool {
	t.ring.RLock()
	defer t.ring.RUnlock()
	return t.decodeOne(&t.out[i&t.mask], payload) == nil
}

// recordBegin records that a worker of a goroutine pool begins a task.
func (t *typedJob[A, R]) recordBegin(j *job, w *twin, i int, arg A) error {
	b, err := t.encoded(nil, arg)
	if err != nil {
		return err
	}
	inner := t.arg.Inner(b)
	occurrence, attempt := j.mark(i)
	err = w.recorded(func(to *ipc.ResultWriter) error {
		return to.Begin(&ipc.Record{
			Job: j.name, Entry: j.entry, Digest: t.arg.Digest(inner), Occurrence: occurrence, Attempt: attempt,
			Index: int64(i), PID: os.Getpid(), Started: time.Now(), Argument: inner, ArgumentSize: int64(len(inner)),
		})
	})
	w.recording = err == nil
	return err
}

// recordEnd records what a task that was begun came to, and returns that.
func (t *typedJob[A, R]) recordEnd(w *twin, r R, failure error) error {
	w.recording = false
	var payload []byte
	status := ipc.RecordSucceeded
	if failure == nil {
		if payload, failure = t.result(r); failure == nil {
			if s, ok := any(r).(child.Succeeder); ok && !s.Succeeded() {
				status = ipc.RecordUnsuccessful
			}
		}
	}
	if failure != nil {
		status = ipc.RecordFailed
		payload = child.EncodeError(failure)
	}
	err := w.recorded(func(to *ipc.ResultWriter) error {
		room, err := to.Room(len(payload))
		if err != nil {
			return err
		}
		// Anybody may cut the file off meanwhile.
		return mapped.Guard(func() error { return to.Commit(append(room, payload...), status) })
	})
	if err != nil {
		return err
	}
	return failure
}

// recorded writes to the worker's records, unless it was given up: nobody
// knows then what its task still does.
func (t *twin) recorded(write func(to *ipc.ResultWriter) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recorder == nil {
		return nil
	}
	if err := write(t.recorder); err != nil {
		return child.LocalError(child.StageRecord, err)
	}
	return nil
}

// startRecords gives a worker its records, where the one before it ended.
func (ts *twins) startRecords(t *twin) {
	if l := ts.p.ledger; l != nil {
		t.recorder = l.file.NewWriter(uint32(t.index), ts.extents[t.index])
		t.recorder.OnExtent = func(x ipc.ExtentRef) { t.extent = x }
	}
}

// endRecords ends them: the file is in use for as long as one is open. t.mu is held.
func (ts *twins) endRecords(t *twin) {
	if t.recorder == nil {
		return
	}
	if err := t.recorder.Close(); err != nil {
		ts.p.o.Logger.Warn("closing a worker's records", "worker", t.index, "err", err)
	}
	t.recorder = nil
	ts.p.mu.Lock()
	ts.extents[t.index] = t.extent
	ts.p.mu.Unlock()
}

// result encodes a result as it is recorded.
func (t *typedJob[A, R]) result(r R) (inner []byte, err error) {
	defer func() {
		if v := recover(); v != nil { // the encoder is the user's code
			err = child.LocalPanic(child.StageEncodeResult, v)
		}
	}()
	b, err := t.res.Append(nil, r)
	if err != nil {
		return nil, child.LocalError(child.StageEncodeResult, err)
	}
	return t.res.Inner(b), nil
}
