package supervisor

import (
	"errors"
	"fmt"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/mapped"
)

// errGivenUp is what a task that was stopped and returned all the same is
// recorded as.
var errGivenUp = errors.New("supervisor: the task was cancelled, or its time was up, before it returned")

// hear takes what the worker says of its task. An error is what no worker says,
// for which this one is killed.
func (r *relay) hear(body []byte) error {
	switch body[0] {
	case wire.KindBegun:
		return r.begun(body)
	case wire.KindResult, wire.KindRaised:
		a, data, err := wire.ParsePlainAnswer(body)
		if err != nil {
			return err
		}
		r.mu.Lock()
		t := r.out
		r.mu.Unlock()
		if t == nil || !t.begun || t.kind != 0 || a.Number != t.c.slot {
			return fmt.Errorf("%w: an answer to task number %d, which does not run", wire.ErrProtocol, a.Number)
		}
		if t.kind = wire.RecordValues; a.Raised {
			t.kind = wire.RecordErrors
		}
		t.size = len(wire.Wrap(nil, nil)) + int(a.Length)
		t.value = wire.Wrap(make([]byte, 0, min(t.size, trusted)), nil)
		wire.SetLength(t.value, int(a.Length))
		return r.add(t, data)
	case wire.KindPiece:
		r.mu.Lock()
		t := r.out
		r.mu.Unlock()
		if t == nil || t.kind == 0 || len(body) == 1 || len(body)-1 > t.size-len(t.value) {
			return fmt.Errorf("%w: a piece of %d bytes that belongs to nothing", wire.ErrProtocol, len(body)-1)
		}
		return r.add(t, body[1:])
	}
	return fmt.Errorf("%w: kind %d from a worker", wire.ErrProtocol, body[0])
}

// begun takes note that the task that is out begins.
func (r *relay) begun(body []byte) error {
	slots, err := wire.ParseSlots(nil, body)
	if err != nil {
		return err
	}
	r.mu.Lock()
	t := r.out
	ok := t != nil && !t.begun && len(slots) == 1 && slots[0] == t.c.slot
	if ok {
		t.begun = true
	}
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: it begins tasks %v, which it was not sent", wire.ErrProtocol, slots)
	}
	if !r.proved.Swap(true) {
		p := r.w.core
		p.mu.Lock()
		p.failedStarts[r.w.index] = failedStarts{}
		p.mu.Unlock()
	}
	return nil
}

// add adds to the answer, and hands it over when it is whole.
func (r *relay) add(t *outTask, data []byte) error {
	if n := len(t.value) + len(data); n > cap(t.value) {
		grown := make([]byte, len(t.value), min(t.size, 2*n))
		copy(grown, t.value)
		t.value = grown
	}
	t.value = append(t.value, data...)
	if len(t.value) < t.size {
		return nil
	}
	kind, value := t.kind, t.value
	if kind == wire.RecordErrors {
		if _, _, err := child.DecodeError(value); err != nil {
			return fmt.Errorf("%w: an error that cannot be read: %w", wire.ErrProtocol, err)
		}
	}
	if r.records != nil {
		if err := r.record(t, &kind, &value); err != nil {
			kind, value = wire.RecordErrors, wrappedError(child.LocalError(child.StageRecord, err))
		}
	}
	if r.large = len(value) >= largeAnswer; kind == wire.RecordValues {
		r.done++
	} else {
		r.failed++
	}
	t.c.arrive(kind, value)
	r.mu.Lock()
	r.out = nil
	r.mu.Unlock()
	r.answered <- struct{}{}
	return nil
}

// record records how the task that is out ended.
func (r *relay) record(t *outTask, kind *uint8, value *[]byte) error {
	status := ipc.RecordFailed
	if *kind == wire.RecordValues {
		inner, _, err := wire.Split(*value)
		if err != nil {
			return err
		}
		if status = t.c.job.typed.statusOf(inner); t.c.word.Load().Condemned { // or a resumed run would take it for a success
			*kind, *value, status = wire.RecordErrors, wrappedError(errGivenUp), ipc.RecordFailed
		}
	}
	payload, _, err := wire.Split(*value)
	if err != nil {
		return err
	}
	room, err := r.records.Room(len(payload))
	if err != nil {
		return err
	}
	// Anybody may cut the file off meanwhile.
	return mapped.Guard(func() error { return r.records.Commit(append(room, payload...), status) })
}

// outgrown takes note that the worker asks to be replaced.
func (r *relay) outgrown(body []byte) error {
	if len(body) != 1 {
		return wire.ErrProtocol
	}
	r.full.Store(true)
	r.w.core.retire(r.w)
	r.w.core.refill(r.w) // if it has nothing, it may go
	return nil
}
