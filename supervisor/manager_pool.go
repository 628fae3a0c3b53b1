package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yunta/child"
	"yunta/child/manager"
)

// ManagedPool is a proxy of a pool that runs on a manager's server: Python's SyncManager.Pool. Any client can have it
// call entries, also from another machine; the server's program must have them registered. It is sent to another
// process like every proxy.
type ManagedPool struct{ manager.Object[*Pool] }

// ManagedPoolOptions are the settings of [NewManagedPool]; they are those of [PoolOptions].
type ManagedPoolOptions struct {
	Processes        int
	Model            Model
	MaxTasksPerChild int
	TaskTimeout      time.Duration
	Retries          int
}

// NewManagedPool makes a pool on the server. It ends when it is closed, or with the server.
func NewManagedPool(ctx context.Context, c *manager.Client, o ManagedPoolOptions) (*ManagedPool, error) {
	registerPoolErrors()
	p, err := managedPools.New(ctx, c, o)
	if err != nil {
		return nil, err
	}
	return &ManagedPool{*p}, nil
}

// Close closes the pool: what was begun is done, and no more work is taken. The proxy is of nothing then.
func (p *ManagedPool) Close(ctx context.Context) error { return p.Unlink(ctx) }

// ManagedMap calls the entry once for each argument, in the pool on the server, and returns the results in order. Errors
// are those of [Map]; those of the connection are the manager's. The end of ctx cancels the calls.
func ManagedMap[A, R any](ctx context.Context, p *ManagedPool, e child.Entry[A, R], args []A) ([]R, error) {
	registerPoolErrors()
	enc, dec := e.Codecs()
	calls := managedCalls{Entry: e.Name(), Args: make([][]byte, len(args))}
	for i, a := range args {
		b, err := enc.Append(nil, a)
		if err != nil {
			return make([]R, len(args)), fmt.Errorf("supervisor: argument %d of %q: %w", i, e.Name(), err)
		}
		calls.Args[i] = b
	}
	out := make([]R, len(args))
	answers, err := managedMap.Call(ctx, &p.Object, calls)
	if err != nil {
		return out, err
	}
	if len(answers) != len(args) {
		return out, fmt.Errorf("supervisor: %d results of %d calls from the server", len(answers), len(args))
	}
	failed := &MapError{Total: len(args)}
	for i, a := range answers {
		var err error
		if a.Failed != nil {
			err = a.error()
		} else {
			out[i], err = child.DecodeEncoded(dec, a.Result)
		}
		if err != nil {
			failed.Errors = append(failed.Errors, &TaskError{
				Entry: e.Name(), Index: i, Worker: a.Worker, PID: a.PID, Attempts: a.Attempts, Err: err,
			})
		}
	}
	if len(failed.Errors) > 0 {
		return out, failed
	}
	return out, nil
}

// ManagedApply calls the entry once.
func ManagedApply[A, R any](ctx context.Context, p *ManagedPool, e child.Entry[A, R], arg A) (R, error) {
	out, err := ManagedMap(ctx, p, e, []A{arg})
	if failed, ok := errors.AsType[*MapError](err); ok {
		err = failed.Errors[0]
	}
	return out[0], err
}

// What crosses: calls of one entry, with arguments and results as its own codecs encode them, since the server knows
// the entry by its name alone.
type (
	managedCalls struct {
		Entry string
		Args  [][]byte
	}
	managedCall struct {
		Entry string
		Arg   []byte
	}
	managedAnswer struct {
		Result        []byte
		Failed        []byte `msgpack:",omitempty"` // an error, as child.EncodeError makes it
		Worker        int    `msgpack:",omitempty"`
		PID, Attempts int    `msgpack:",omitempty"`
	}
)

func (a managedAnswer) error() error {
	e, err := child.DecodeRecordedError(a.Failed)
	if err != nil {
		return err
	}
	return e
}

// registerPoolErrors lets a pool's sentinel errors keep their identity on their way.
var registerPoolErrors = sync.OnceFunc(func() {
	for _, err := range []error{
		ErrWorkerDied, ErrTaskTimeout, ErrPoolClosed, ErrPoolTerminated, ErrMemoryLimit, ErrPoolBroken,
	} {
		child.RegisterError(err)
	}
})

var managedPools = manager.Register("yunta.pool", func(_ context.Context, o ManagedPoolOptions) (*Pool, error) {
	registerPoolErrors()
	// The pool outlives the call that makes it.
	return NewPool(context.Background(), PoolOptions{
		Processes: o.Processes, Model: o.Model, MaxTasksPerChild: o.MaxTasksPerChild, TaskTimeout: o.TaskTimeout, Retries: o.Retries,
	})
})

// managedEntry is what a worker of such a pool runs.
var managedEntry = child.Register("yunta.call", func(ctx context.Context, c managedCall) ([]byte, error) {
	return child.CallEncoded(ctx, c.Entry, c.Arg)
})

var managedMap = manager.RegisterMethod(managedPools, "map",
	func(ctx context.Context, p *Pool, calls managedCalls) ([]managedAnswer, error) {
		args := make([]managedCall, len(calls.Args))
		for i, b := range calls.Args {
			args[i] = managedCall{calls.Entry, b}
		}
		results, err := Map(ctx, p, managedEntry, args)
		answers := make([]managedAnswer, len(results))
		for i, b := range results {
			answers[i].Result = b
		}
		failed, ok := errors.AsType[*MapError](err)
		if err != nil && (!ok || failed.Cause != nil || len(answers) != len(args)) {
			return nil, err
		}
		if ok {
			for _, t := range failed.Errors {
				answers[t.Index] = managedAnswer{
					Failed: child.EncodeError(t.Err), Worker: t.Worker, PID: t.PID, Attempts: t.Attempts,
				}
			}
		}
		return answers, nil
	})
