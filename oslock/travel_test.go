package oslock

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
)

// sent has a handle of each kind.
type sent struct {
	Lock      *Lock
	RLock     *RLock
	RWLock    *RWLock
	Semaphore *Semaphore
	Event     *Event
	Barrier   *Barrier
	Condition *Condition
}

func (s *sent) close() {
	s.Condition.Close()
	if l := s.Condition.Lock(); l != s.Lock {
		l.Close()
	}
	s.Barrier.Close()
	s.Event.Close()
	s.Semaphore.Close()
	s.RWLock.Close()
	s.RLock.Close()
	s.Lock.Close()
}

func newSent(t *testing.T) (*sent, string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s := &sent{
		Lock: openLock(t, at("lock"), LockOptions{}), RLock: openRLock(t, at("rlock"), LockOptions{}),
		RWLock: openRW(t, at("rw"), LockOptions{}), Event: openEvent(t, at("event")),
		Semaphore: openSemaphore(t, at("sem"), 3, SemaphoreOptions{Undo: true, Bounded: true}),
		Barrier:   openBarrier(t, at("barrier"), 2, BarrierOptions{}),
	}
	s.Condition = openCondition(t, s.Lock, at("condition"))
	return s, dir
}

// arrivals decodes what travelled, and uses each of them.
var arrivals = newHelper("arrivals", func(h *helperIO, args []string) error {
	data, err := hex.DecodeString(args[0])
	if err != nil {
		return err
	}
	var got sent
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	defer got.close()
	ok, err := got.Lock.TryLock()
	h.say("lock %v %v", ok, err)
	ok, err = got.RLock.TryLock()
	h.say("rlock %v %v", ok, err)
	ok, err = got.RWLock.TryLock()
	h.say("rwlock %v %v", ok, err)
	n, err := got.Semaphore.Value()
	h.say("semaphore %v %v", n, err)
	h.say("event %v", got.Event.IsSet())
	h.say("barrier %v", got.Barrier.Parties())
	h.say("condition %v", errors.Is(got.Condition.Notify(1), ErrNotOwner))
	return nil
})

// Every kind travels as its path, and what arrives is the same lock.
func TestTravel(t *testing.T) {
	t.Parallel()
	s, _ := newSent(t)
	mustLock(t, s.Lock)
	must(t, "RLock", s.RWLock.RLock(soon(t)))
	mustAcquire(t, s.Semaphore)
	must(t, "Set", s.Event.Set())
	data, err := json.Marshal(s)
	must(t, "Marshal", err)
	p := arrivals.start(t, nil, hex.EncodeToString(data))
	for _, want := range []string{
		"lock false <nil>", "rlock true <nil>", "rwlock false <nil>", "semaphore 2 <nil>", "event true", "barrier 2", "condition true",
	} {
		p.expect(want)
	}
	must(t, "the process", p.wait())
	mustUnlock(t, s.Lock)
	must(t, "RUnlock", s.RWLock.RUnlock())
	mustRelease(t, s.Semaphore, 1)

	data, err = json.Marshal(s)
	must(t, "Marshal", err)
	var got sent
	must(t, "Unmarshal", json.Unmarshal(data, &got))
	mustLock(t, got.Condition.Lock())
	wantTry(t, s.Lock, false)
	mustUnlock(t, s.Lock) // of the same process
	again := got
	wantError(t, "Unmarshal into what is open", json.Unmarshal(data, &again), errInUse)
	got.close()
}

func TestTravelErrors(t *testing.T) {
	t.Parallel()
	s, dir := newSent(t)
	for _, row := range []struct {
		into interface{ UnmarshalText([]byte) error }
		text string
		want error
	}{
		{new(Lock), "", ErrMismatch},
		{new(Lock), "lock", ErrMismatch},
		{new(Lock), "lock relative", ErrName},
		{new(Lock), "lock " + dir + "/../x", ErrName},
		{new(Lock), "semaphore " + dir + "/sem", ErrMismatch},
		{new(Lock), "lock " + dir + "/event", ErrMismatch},
		{new(RLock), "event " + dir + "/event", ErrMismatch},
		{new(RWLock), "lock " + dir + "/rw", ErrMismatch},
		{new(Semaphore), "semaphore+odd " + dir + "/sem", ErrVersion},
		{new(Semaphore), "semaphore " + dir + "/sem", ErrMismatch},
		{new(Event), "event " + dir + "/rw", ErrMismatch},
		{new(Barrier), "barrier " + dir + "/barrier", ErrVersion},
		{new(Barrier), "barrier+3 " + dir + "/barrier", ErrMismatch},
		{new(Barrier), "barrier+0 " + dir + "/barrier", ErrValue},
		{new(Condition), "condition " + dir + "/condition", ErrMismatch},
		{new(Condition), "condition " + dir + "/condition\x00lock " + dir + "/rlock", ErrMismatch},
	} {
		wantError(t, row.text, row.into.UnmarshalText([]byte(row.text)), row.want)
	}
	if err := new(Barrier).UnmarshalText([]byte("barrier+x " + dir + "/barrier")); err == nil {
		t.Error("a barrier of x parties was opened")
	}
	s.close()
	for _, closed := range []interface{ MarshalText() ([]byte, error) }{
		s.Lock, s.RLock, s.RWLock, s.Semaphore, s.Event, s.Barrier, s.Condition,
	} {
		_, err := closed.MarshalText()
		wantError(t, "MarshalText of what is closed", err, ErrClosed)
	}
	for _, fresh := range []interface{ MarshalText() ([]byte, error) }{
		new(Lock), new(RLock), new(RWLock), new(Semaphore), new(Event), new(Barrier), new(Condition),
	} {
		if _, err := fresh.MarshalText(); err == nil {
			t.Errorf("%T was encoded though it was never opened", fresh)
		}
	}
}
