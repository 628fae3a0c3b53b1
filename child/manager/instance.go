package manager

import (
	"context"
	"fmt"
	"strings"

	"yunta/child"
)

// Methods of an object of a registered type, as the wire has them.
const (
	objectCall byte = iota
	objectStream
	objectNext
	objectStop
)

// instance is an Object's object.
type instance struct {
	of *typeInfo
	o  any
}

func newInstance(kind string, q *request) (object, error) {
	name, ok := strings.CutPrefix(kind, kindObject)
	registered.mu.Lock()
	d := registered.types[name]
	registered.mu.Unlock()
	if !ok || d == nil {
		return nil, fmt.Errorf("%w: the type %q", ErrNoType, kind)
	}
	if q.ctx == nil {
		return nil, errWait // code of the program's own
	}
	arg := q.in.rest()
	o, err := detached(q, func(ctx context.Context) (*instance, error) {
		o, err := d.make(ctx, arg)
		return &instance{d, o}, err
	}, func(o *instance) { _ = o.delete() })
	if err != nil {
		return nil, err // no object in an interface
	}
	return o, nil
}

func (i *instance) call(q *request) error {
	if q.ctx == nil {
		return errWait
	}
	switch q.method {
	case objectCall:
		name := q.in.text()
		m, err := i.of.find(name)
		if err == nil && m.call == nil {
			err = fmt.Errorf("%w: %q of %s yields values one by one", ErrNoMethod, name, i.of.name)
		}
		if err != nil {
			return err
		}
		arg := q.in.rest()
		out, err := detached(q, func(ctx context.Context) ([]byte, error) { return m.call(ctx, i.o, arg) }, nil)
		q.out = append(q.out, out...)
		return err
	case objectStream:
		return i.begin(q)
	}
	return ErrNoMethod
}

// runsCode reports whether deleting the object runs code of the program's own.
func runsCode(o object) bool {
	_, ok := o.(*instance)
	return ok
}

// delete calls the object's Close, if it has one.
func (i *instance) delete() error {
	c, ok := i.o.(interface{ Close() error })
	if !ok {
		return nil
	}
	_, err := safely(func() (struct{}, error) { return struct{}{}, c.Close() })
	return err
}

// detached runs code of the program's own, which may not care for its context: the request ends with that all the same.
// What comes of it later is dropped.
func detached[R any](q *request, f func(ctx context.Context) (R, error), drop func(R)) (R, error) {
	type outcome struct {
		r   R
		err error
	}
	done := make(chan outcome)
	ctx := context.WithValue(q.ctx, sessionKey{}, q.s)
	q.s.server.all.Go(func() {
		o := outcome{err: errGoexit}
		defer func() {
			select {
			case done <- o:
			case <-q.ctx.Done():
				if o.err == nil && drop != nil {
					drop(o.r)
				}
			}
		}()
		o.r, o.err = safely(func() (R, error) { return f(ctx) })
	})
	select {
	case o := <-done:
		return o.r, o.err
	case <-q.ctx.Done():
		var zero R
		return zero, context.Cause(q.ctx)
	}
}

var errGoexit = &child.RemoteError{Message: "manager: the method ended its goroutine"}
