package manager

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"yunta/oslock"
)

// Barrier is a proxy of a barrier on the server, at which a number of parties wait for each other: Python's
// SyncManager.Barrier. A party that gives up, because its context or its client ended, breaks the barrier: all others
// return oslock.ErrBroken at once, and so does every later Wait until somebody calls Reset.
type Barrier struct{ Proxy }

// NewBarrier makes a barrier on the server, of so many parties, at least 1 (oslock.ErrValue).
func NewBarrier(ctx context.Context, c *Client, parties int) (*Barrier, error) {
	p, err := create(ctx, c, kindBarrier, func(k *call) { k.putInt(parties) })
	if err != nil {
		return nil, err
	}
	return &Barrier{p}, nil
}

func (b *Barrier) open(p Proxy) error {
	b.Proxy = p
	return wantKind(kindBarrier, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (b *Barrier) UnmarshalText(text []byte) error { return b.arrive(text, kindBarrier) }

// Wait waits until all parties do, and returns which one this was, from 0.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	return number(ctx, b.ask(barrierWait))
}

// Reset has those who wait return oslock.ErrBroken, and makes the barrier a whole one.
func (b *Barrier) Reset(ctx context.Context) error { return b.ask(barrierReset).send(ctx) }

// Abort breaks the barrier.
func (b *Barrier) Abort(ctx context.Context) error { return b.ask(barrierAbort).send(ctx) }

// Parties returns how many parties there are.
func (b *Barrier) Parties(ctx context.Context) (int, error) {
	n, _, _, err := b.state(ctx)
	return n, err
}

// Waiting returns how many of them wait. It may have changed when it is read.
func (b *Barrier) Waiting(ctx context.Context) (int, error) {
	_, n, _, err := b.state(ctx)
	return n, err
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken(ctx context.Context) (bool, error) {
	_, _, broken, err := b.state(ctx)
	return broken, err
}

func (b *Barrier) state(ctx context.Context) (parties, waiting int, broken bool, err error) {
	k := b.ask(barrierState)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return 0, 0, false, err
	}
	parties, waiting, broken = k.int(), k.int(), k.bool()
	return parties, waiting, broken, k.reader.err()
}

// Methods of a barrier.
const (
	barrierWait byte = iota
	barrierReset
	barrierAbort
	barrierState
)

// barrier is a Barrier's object.
type barrier struct {
	parties int

	mu     sync.Mutex // guards what follows
	line   line
	broken bool
	gone   bool
}

func newBarrier(q *request) (object, error) {
	b := &barrier{parties: q.in.int()}
	if b.parties < 1 {
		return nil, fmt.Errorf("%w: a barrier of %d parties", oslock.ErrValue, b.parties)
	}
	return b, nil
}

func (b *barrier) call(q *request) error {
	if q.method == barrierWait {
		return b.wait(q)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch q.method {
	case barrierReset:
		b.line.finishAll(oslock.ErrBroken)
		b.broken = false
	case barrierAbort:
		b.breakUp()
	case barrierState:
		q.out = binary.AppendVarint(q.out, int64(b.parties))
		q.out = binary.AppendVarint(q.out, int64(len(b.line)))
		q.out = appendBool(q.out, b.broken)
	default:
		return ErrNoMethod
	}
	return nil
}

// breakUp breaks the barrier. mu is held.
func (b *barrier) breakUp() {
	b.broken = true
	b.line.finishAll(oslock.ErrBroken)
}

func (b *barrier) wait(q *request) error {
	b.mu.Lock()
	n := len(b.line)
	switch {
	case b.gone:
		b.mu.Unlock()
		return ErrGone
	case b.broken:
		b.mu.Unlock()
		return oslock.ErrBroken
	case n+1 == b.parties:
		b.line.finishAll(nil)
		b.mu.Unlock()
		q.out = binary.AppendVarint(q.out, int64(n))
		return nil
	case q.ctx == nil:
		b.mu.Unlock()
		return errWait
	}
	w := b.line.join(q.s)
	b.mu.Unlock()
	q.out = binary.AppendVarint(q.out, int64(n))
	return w.await(q.ctx, &b.mu, b.breakUpBut(w))
}

// breakUpBut returns what takes w out, who gives up, and breaks the barrier for the others.
func (b *barrier) breakUpBut(w *waiter) func() {
	return func() {
		b.line.leave(w)
		b.breakUp()
	}
}

func (b *barrier) delete() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = true
	b.line.finishAll(ErrGone)
	return nil
}
