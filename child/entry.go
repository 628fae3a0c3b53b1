package child

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"yunta/child/wire"
	"yunta/ipc"
)

// Entry is a function registered under a name, with its argument and result
// types. The zero Entry is not usable: calls panic. Entries are values and may
// be shared freely. Python calls this a target.
type Entry[A, R any] struct{ e *entry[A, R] }

// Register makes f known under name in every process of the program and
// returns its entry. It is called at package level, or in main before
// [Main]: a name registered twice, an empty name, or a registration after the
// start panics, since parent and children would not agree.
//
// f's context ends when its task is cancelled or times out, and at the latest
// soon after f has returned. Its argument and result are encoded as msgpack
// (see ipc.Codec for what that keeps).
func Register[A, R any](name string, f func(ctx context.Context, arg A) (R, error)) Entry[A, R] {
	switch {
	case name == "":
		panic("child: Register with an empty name")
	case f == nil:
		panic(fmt.Sprintf("child: Register(%q) with a nil function", name))
	case started.Load():
		panic(fmt.Sprintf("child: Register(%q) after the start: register at package level", name))
	}
	e := &entry[A, R]{name: name, f: f}
	table.Lock()
	defer table.Unlock()
	if _, twice := table.entries[name]; twice {
		panic(fmt.Sprintf("child: two entries are registered as %q", name))
	}
	if table.entries == nil {
		table.entries = make(map[string]runner)
	}
	table.entries[name] = e
	return Entry[A, R]{e}
}

// Name returns the name the entry was registered under.
func (e Entry[A, R]) Name() string { return e.must().name }

// Func returns the registered function.
func (e Entry[A, R]) Func() func(ctx context.Context, arg A) (R, error) { return e.must().f }

// Bind returns the entry with its argument, for the Initializer and Exit of a
// pool and for a process. The result of the call is dropped, its error is not.
func (e Entry[A, R]) Bind(arg A) Call {
	d := e.must()
	return Call{
		name: d.name,
		encode: func() ([]byte, error) {
			d.prepare()
			return d.args.Append(nil, arg)
		},
		plain: func() ([]byte, error) {
			d.prepare()
			b, err := d.args.Append(nil, arg)
			if err != nil {
				return nil, err
			}
			return d.args.Inner(b), nil
		},
		foreign: d.foreign,
		attach: func(files *ipc.Attachments) ([]byte, error) {
			d.prepare()
			return d.args.AppendAttached(nil, arg, files)
		},
		run: func(ctx context.Context) error {
			_, err := d.f(ctx, arg)
			return err
		},
	}
}

// Codecs returns what encodes the entry's arguments and results, made once: it
// is for package supervisor.
func (e Entry[A, R]) Codecs() (args *wire.Values[A], results *wire.Values[R]) {
	d := e.must()
	d.prepare()
	return d.args, d.res
}

func (e Entry[A, R]) must() *entry[A, R] {
	if e.e == nil {
		panic("child: use of an Entry that Register did not return")
	}
	return e.e
}

// Call is an entry bound to an argument. The zero Call does nothing.
type Call struct {
	name    string
	encode  func() ([]byte, error)
	plain   func() ([]byte, error)
	attach  func(*ipc.Attachments) ([]byte, error)
	run     func(ctx context.Context) error
	foreign bool
}

// IsZero reports whether the call does nothing.
func (c Call) IsZero() bool { return c.run == nil }

// Name returns the entry's name, "" for the zero Call.
func (c Call) Name() string { return c.name }

// Run calls the entry in this process.
func (c Call) Run(ctx context.Context) error {
	if c.run == nil {
		return nil
	}
	return c.run(ctx)
}

// Invocation encodes the call for the wire; nil for the zero Call.
func (c Call) Invocation() (*wire.Invocation, error) {
	if c.run == nil {
		return nil, nil
	}
	arg, err := c.encode()
	if err != nil {
		return nil, fmt.Errorf("child: argument of %q: %w", c.name, err)
	}
	return &wire.Invocation{Entry: c.name, Arg: arg}, nil
}

// Argument encodes the argument for a process that is about to be started, with
// the open files in it.
func (c Call) Argument(files *ipc.Attachments) ([]byte, error) {
	arg, err := c.attach(files)
	if err != nil {
		return nil, fmt.Errorf("child: argument of %q: %w", c.name, err)
	}
	return arg, nil
}

// entry is the typed half of a table row.
type entry[A, R any] struct {
	name    string
	f       func(context.Context, A) (R, error)
	foreign bool // f only says that it is not here

	once sync.Once // codecs are made on first use: a program may register more than it calls
	args *wire.Values[A]
	res  *wire.Values[R]
}

func (e *entry[A, R]) prepare() {
	e.once.Do(func() {
		e.args = wire.ValuesFor[A]()
		e.res = wire.ValuesFor[R]()
	})
}

// runner is what the serving loop needs of an entry, whatever its types.
type runner interface {
	serve(s *server, c *chunk)
	invoke(ctx context.Context, arg []byte) error
	encoded(ctx context.Context, arg []byte) ([]byte, error)
	process(ctx context.Context, arg []byte, files *ipc.Attachments) error
}

// table holds the registered entries; it is the package's only global beside
// the process's own identity.
var table struct {
	sync.Mutex
	entries map[string]runner
}

// started is set by Main: from then on the table is fixed.
var started atomic.Bool

func lookup(name string) runner {
	table.Lock()
	defer table.Unlock()
	return table.entries[name]
}
