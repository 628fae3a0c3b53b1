package supervisor

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Future is a call's result to come: Python's AsyncResult and
// concurrent.futures.Future.
type Future[R any] struct {
	core *core
	job  *job
	get  func() (R, error) // once the job is finished

	mu    sync.Mutex
	calls []func(R, error)
	ready bool
}

func newFuture[R any](ctx context.Context, j *job, get func() (R, error)) *Future[R] {
	f := &Future[R]{core: j.core, job: j, get: get}
	stop := context.AfterFunc(ctx, func() { j.core.end(j, context.Cause(ctx)) })
	go func() {
		<-j.finished
		stop()
		f.mu.Lock()
		f.ready = true
		calls := f.calls
		f.calls = nil
		f.mu.Unlock()
		for _, call := range calls {
			f.call(call)
		}
	}()
	return f
}

// Get waits for the result. The end of ctx ends the waiting and nothing else:
// the error is then the context's and the call goes on. Several goroutines may
// Get, and Get again.
func (f *Future[R]) Get(ctx context.Context) (R, error) {
	select {
	case <-f.job.finished: // even if ctx has ended, too
		return f.get()
	default:
	}
	select {
	case <-f.job.finished:
		return f.get()
	case <-ctx.Done():
		var zero R
		return zero, context.Cause(ctx)
	}
}

// Done is closed when the result is there.
func (f *Future[R]) Done() <-chan struct{} { return f.job.finished }

// OnDone calls fn with what Get would return once the result is there, in a
// goroutine of its own; at once if it is there already. A panic of fn is logged.
// Python: the callback and error_callback of apply_async in one.
func (f *Future[R]) OnDone(fn func(R, error)) {
	f.mu.Lock()
	if !f.ready {
		f.calls = append(f.calls, fn)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	go f.call(fn)
}

// call calls one function. A panic in it is nobody's result: it is logged, and
// the others are called all the same.
func (f *Future[R]) call(fn func(R, error)) {
	defer func() {
		if v := recover(); v != nil {
			f.core.o.Logger.Error("OnDone function panicked", "entry", f.job.entry, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	fn(f.get())
}

// Cancel ends the call: tasks that have not begun never will, and one that is
// running is stopped, by its context first and by signals after the pool's
// grace. Get returns an error that wraps context.Canceled at once. Cancel
// reports whether the call is cancelled: it does nothing once the result is
// there. Python's cannot stop a task that runs.
func (f *Future[R]) Cancel() bool {
	f.core.end(f.job, errCancelled)
	<-f.job.finished // it is, or about to be
	return f.job.cancelled()
}

// errCancelled is what a cancelled future returns; errors.Is finds context.Canceled.
var errCancelled = cancelled{}

type cancelled struct{}

func (cancelled) Error() string        { return "supervisor: call was cancelled" }
func (cancelled) Is(target error) bool { return target == context.Canceled }
