package oslock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func openBarrier(t testing.TB, name string, parties int, o BarrierOptions) *Barrier {
	t.Helper()
	b, err := OpenBarrier(name, parties, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// met blocks until n wait at the barrier.
func met(t testing.TB, b *Barrier, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " wait"), func() bool { return b.Waiting() == n })
}

func meet(t testing.TB, b *Barrier) <-chan error {
	return after(func() error { _, err := b.Wait(soon(t)); return err })
}

func wantBroken(t testing.TB, b *Barrier, want bool) {
	t.Helper()
	if got := b.Broken(); got != want {
		t.Fatalf("Broken = %v, want %v", got, want)
	}
}

// wantOpens checks that the barrier works.
func wantOpens(t testing.TB, b *Barrier) {
	t.Helper()
	var all []<-chan error
	for range b.Parties() {
		all = append(all, meet(t, b))
	}
	for _, done := range all {
		wantDone(t, done, nil)
	}
}

// Nobody is ahead, each gets another index, and the action runs once a round, before anybody goes on.
func TestBarrierRounds(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	const n, rounds = 5, 200
	actions := 0 // not atomic: the race detector watches the barrier
	o := BarrierOptions{Action: func() error { actions++; return nil }}
	handles := []*Barrier{openBarrier(t, path, n, o), openBarrier(t, path, n, o)}
	second := openBarrier(t, tempPath(t), n, BarrierOptions{})
	var wg sync.WaitGroup
	var arrived [n]int
	var indexes [rounds][n]int
	for i := range n {
		wg.Go(func() {
			for round := range rounds {
				arrived[i] = round
				index, err := handles[i%2].Wait(soon(t))
				if err != nil {
					t.Error(err)
					return
				}
				indexes[round][i] = index
				if actions != round+1 {
					t.Errorf("round %d: %d actions", round, actions)
				}
				for k, at := range arrived {
					if at != round {
						t.Errorf("%d is in round %d, %d in %d", i, round, k, at)
					}
				}
				if _, err := second.Wait(soon(t)); err != nil { // or one could be ahead, and act
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for round, got := range indexes {
		if s := slices.Sorted(slices.Values(got[:])); !slices.Equal(s, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("round %d: indexes %v", round, got)
		}
	}
}

func TestBarrierBetweenProcesses(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	b := openBarrier(t, path, 3, BarrierOptions{})
	p, q := act(t), act(t)
	for _, a := range []*process{p, q} {
		a.do("barrier "+path+" 3", "ok")
	}
	act(t).do("barrier "+path+" 4", "mismatch")
	for range 20 {
		p.send("meet")
		met(t, b, 1)
		q.send("meet")
		met(t, b, 2)
		if index, err := b.Wait(soon(t)); index != 2 || err != nil {
			t.Fatalf("Wait = %d, %v, want 2", index, err)
		}
		p.expect("0")
		q.expect("1")
	}
	if b.Parties() != 3 || b.File() != path {
		t.Errorf("Parties = %d, File = %s", b.Parties(), b.File())
	}
}

// The death of one who waits breaks the barrier for the others, at once.
func TestBarrierKilledParty(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	b := openBarrier(t, path, 4, BarrierOptions{})
	var longest time.Duration
	for range 10 {
		p, q := act(t), act(t)
		for _, a := range []*process{p, q} {
			a.do("barrier "+path+" 4", "ok")
			a.send("meet")
		}
		here := meet(t, b)
		met(t, b, 3)
		p.kill()
		start := time.Now()
		q.expect("broken")
		longest = max(longest, time.Since(start))
		wantDone(t, here, ErrBroken)
		wantBroken(t, b, true)
		q.kill()
		_, err := b.Wait(soon(t))
		wantError(t, "Wait", err, ErrBroken)
		must(t, "Reset", b.Reset())
		wantBroken(t, b, false)
		wantOpens(t, b)
	}
	t.Logf("longest from kill to ErrBroken: %v", longest)
}

// All who waited died, one after the other, with nobody to notice: they are not taken for parties.
func TestBarrierMeetsNoDead(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	b := openBarrier(t, path, 2, BarrierOptions{})
	for range 5 {
		p := act(t)
		p.do("barrier "+path+" 2", "ok")
		p.send("meet")
		met(t, b, 1)
		p.kill()
		time.Sleep(5 * time.Millisecond) // a death shows late
		_, err := b.Wait(soon(t))
		wantError(t, "Wait", err, ErrBroken)
		must(t, "Reset", b.Reset())
		wantOpens(t, b)
	}
}

func TestBarrierGivingUp(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	b, other := openBarrier(t, path, 3, BarrierOptions{}), openBarrier(t, path, 3, BarrierOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	first := after(func() error { _, err := b.Wait(ctx); return err })
	second := meet(t, other)
	met(t, b, 2)
	cancel()
	err := <-first
	wantError(t, "Wait", err, context.Canceled)
	wantError(t, "Wait", err, ErrBroken)
	wantDone(t, second, ErrBroken)
	wantBroken(t, other, true)
	must(t, "Reset", other.Reset())
	wantOpens(t, b)

	first, second = meet(t, b), meet(t, other)
	met(t, b, 2)
	must(t, "Close", b.Close())
	wantDone(t, first, ErrClosed)
	wantDone(t, second, ErrBroken)
	_, err = b.Wait(ctx)
	wantError(t, "Wait", err, ErrClosed)
	wantError(t, "Abort", b.Abort(), ErrClosed)
	wantError(t, "Reset", b.Reset(), ErrClosed)
	wantBroken(t, b, true)
	if b.Parties() != 0 || b.Waiting() != 0 {
		t.Errorf("closed: Parties = %d, Waiting = %d", b.Parties(), b.Waiting())
	}
	must(t, "Reset", other.Reset())
	wantOpens(t, other)

	impatient := openBarrier(t, path, 3, BarrierOptions{Timeout: 10 * time.Millisecond})
	_, err = impatient.Wait(context.Background())
	wantError(t, "Wait", err, context.DeadlineExceeded)
	wantBroken(t, other, true)
}

func TestBarrierAction(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	result := failed
	b := openBarrier(t, tempPath(t), 2, BarrierOptions{Action: func() error { return result }})
	first := meet(t, b)
	met(t, b, 1)
	_, err := b.Wait(soon(t))
	wantError(t, "Wait", err, failed)
	wantError(t, "Wait", err, ErrBroken)
	wantDone(t, first, ErrBroken)
	must(t, "Reset", b.Reset())
	result = nil
	wantOpens(t, b)

	panicking := openBarrier(t, tempPath(t), 1, BarrierOptions{Action: func() error { panic("in the action") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of an action was swallowed")
			}
		}()
		panicking.Wait(soon(t))
	}()
	wantBroken(t, panicking, true)
	must(t, "Reset", panicking.Reset())
	wantBroken(t, panicking, false)
}

func TestBarrierValues(t *testing.T) {
	t.Parallel()
	for _, parties := range []int{-1, 0, maxParties + 1} {
		_, err := OpenBarrier(tempPath(t), parties, BarrierOptions{})
		wantError(t, fmt.Sprint("OpenBarrier of ", parties), err, ErrValue)
	}
	_, err := OpenBarrier(tempPath(t), 1, BarrierOptions{Timeout: -1})
	wantError(t, "OpenBarrier with a timeout of -1", err, ErrValue)
	openBarrier(t, tempPath(t), maxParties, BarrierOptions{})
}

// Reset while some have not yet left: they get ErrBroken, and whoever comes is let in when they are gone.
func TestBarrierResetInside(t *testing.T) {
	t.Parallel()
	b := openBarrier(t, tempPath(t), 3, BarrierOptions{})
	for range 50 {
		first, second := meet(t, b), meet(t, b)
		met(t, b, 2)
		must(t, "Reset", b.Reset())
		third := meet(t, b)
		wantDone(t, first, ErrBroken)
		wantDone(t, second, ErrBroken)
		met(t, b, 1)
		first, second = meet(t, b), meet(t, b)
		for _, done := range []<-chan error{first, second, third} {
			wantDone(t, done, nil)
		}
		must(t, "Abort", b.Abort())
		wantBroken(t, b, true)
		must(t, "Abort", b.Abort())
		must(t, "Reset", b.Reset())
		must(t, "Reset", b.Reset())
	}
}

// Two goroutines of one process that meet as fast as they can: one comes again while the other has not yet left,
// and must not stand in its way.
func TestBarrierAgainAtOnce(t *testing.T) {
	t.Parallel()
	b := openBarrier(t, tempPath(t), 2, BarrierOptions{})
	ctx := soon(t)
	const rounds = 5_000
	meetings := func() error {
		for range rounds {
			if _, err := b.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	first := after(meetings)
	must(t, "Wait", meetings())
	wantDone(t, first, nil)
}
