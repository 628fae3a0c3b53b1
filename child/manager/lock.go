package manager

import (
	"context"
	"sync/atomic"
)

// Lock is a proxy of a lock on the server: Python's SyncManager.Lock. As there, anybody may unlock it. It is fair: who
// waits longest is next.
//
// It is robust: a client that ends, however it does, gives back what it locked and nobody unlocked, and the next one
// gets it. (In Python it stays locked for good, which also lets a process lock it, end, and have another unlock it: here
// the process has to stay for that.) Whether what the lock guards was left half-written nobody says: where that
// matters use oslock.Lock, which does, and is a hundred times as fast.
type Lock struct{ Proxy }

// NewLock makes a lock on the server.
func NewLock(ctx context.Context, c *Client) (*Lock, error) {
	p, err := create(ctx, c, kindLock, nil)
	if err != nil {
		return nil, err
	}
	return &Lock{p}, nil
}

func (l *Lock) open(p Proxy) error {
	l.Proxy = p
	return wantKind(kindLock, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (l *Lock) UnmarshalText(text []byte) error { return l.arrive(text, kindLock) }

// Lock locks the lock. It waits while it is locked; the end of ctx ends the wait.
func (l *Lock) Lock(ctx context.Context) error { return l.ask(lockLock).send(ctx) }

// TryLock locks the lock if it is free, which it reports.
func (l *Lock) TryLock(ctx context.Context) (bool, error) { return truth(ctx, l.ask(lockTry)) }

// Unlock unlocks the lock, whoever locked it. One that is not locked is [ErrNotLocked].
func (l *Lock) Unlock(ctx context.Context) error { return l.ask(lockUnlock).send(ctx) }

// Locked reports whether the lock is locked. It may have changed when it is read.
func (l *Lock) Locked(ctx context.Context) (bool, error) { return truth(ctx, l.ask(lockLocked)) }

// RLock is a proxy of a lock on the server that its owner can lock again: Python's SyncManager.RLock. The owner is the
// proxy: goroutines that share one share what it has locked, and who wants to be kept apart has one of its own, by [RLock.Owner]
// or because it was sent. It is unlocked when it was unlocked as often as locked, and as robust as [Lock].
type RLock struct {
	Proxy
	who uint64
}

// owners numbers the proxies of this process.
var owners atomic.Uint64

// NewRLock makes a lock on the server.
func NewRLock(ctx context.Context, c *Client) (*RLock, error) {
	p, err := create(ctx, c, kindRLock, nil)
	if err != nil {
		return nil, err
	}
	return &RLock{p, owners.Add(1)}, nil
}

func (r *RLock) open(p Proxy) error {
	*r = RLock{p, owners.Add(1)}
	return wantKind(kindRLock, p.kind)
}

// Owner returns another proxy of the same lock, which is another owner.
func (r *RLock) Owner() *RLock { return &RLock{r.Proxy, owners.Add(1)} }

// UnmarshalText makes the proxy that travelled, which is another owner.
func (r *RLock) UnmarshalText(text []byte) error {
	err := r.arrive(text, kindRLock)
	if err == nil {
		r.who = owners.Add(1)
	}
	return err
}

// Lock locks the lock, once more if this proxy owns it. It waits while another does; the end of ctx ends the wait.
func (r *RLock) Lock(ctx context.Context) error { return r.ask(lockLock).putUint(r.who).send(ctx) }

// TryLock locks the lock unless another owns it, and reports whether it did.
func (r *RLock) TryLock(ctx context.Context) (bool, error) {
	return truth(ctx, r.ask(lockTry).putUint(r.who))
}

// Unlock undoes one Lock. A lock that another owns is oslock.ErrNotOwner, one that is not locked [ErrNotLocked].
func (r *RLock) Unlock(ctx context.Context) error { return r.ask(lockUnlock).putUint(r.who).send(ctx) }

// Locked reports whether anybody owns the lock.
func (r *RLock) Locked(ctx context.Context) (bool, error) { return truth(ctx, r.ask(lockLocked)) }
