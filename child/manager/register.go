package manager

import (
	"context"
	"fmt"
	"sync"

	"yunta/child"
	"yunta/ipc"
)

// Type is a type whose objects a server can keep: what Python's BaseManager.register gives a name.
type Type[T, A any] struct{ d *typeInfo }

// typeInfo is what is known of a type, without its types.
type typeInfo struct {
	name    string
	make    func(ctx context.Context, arg []byte) (any, error)
	methods map[string]method // fixed once the program has started
}

// method is a Method's or a Stream's function.
type method struct {
	call   func(ctx context.Context, o any, arg []byte) ([]byte, error)
	stream func(ctx context.Context, o any, arg []byte) (*stream, error)
}

// registered is the table of types and updates, which is the same in every process of the program.
var registered struct {
	mu      sync.Mutex
	types   map[string]*typeInfo
	updates map[string]func(ctx context.Context, value, arg []byte) ([]byte, error)
}

// Register makes a type known under a name, in every process of the program: it is called at package level. make
// runs on the server and makes an object. A name that is empty or taken, or no make, panics.
//
// An object is used by the methods that are registered for it, and no others. They run on the server, each call in a
// goroutine of its own: an object that has state guards it by a lock. A method's context ends when its caller's does, and when the
// caller's client ends. Errors and panics reach the caller as a *[child.RemoteError].
func Register[T, A any](name string, make func(ctx context.Context, arg A) (T, error)) Type[T, A] {
	if name == "" || make == nil {
		panic(fmt.Sprintf("manager: Register(%q) with an empty name or no function", name))
	}
	args := sync.OnceValue(ipc.CodecFor[A])
	d := &typeInfo{name: name, methods: map[string]method{}}
	d.make = func(ctx context.Context, arg []byte) (any, error) {
		a, err := decode(args(), arg)
		if err != nil {
			return nil, err
		}
		return make(ctx, a)
	}
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if registered.types[name] != nil {
		panic(fmt.Sprintf("manager: two types are registered as %q", name))
	}
	if registered.types == nil {
		registered.types = map[string]*typeInfo{}
	}
	registered.types[name] = d
	return Type[T, A]{d}
}

func (d *typeInfo) add(name string, m method) {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if _, twice := d.methods[name]; twice || name == "" {
		panic(fmt.Sprintf("manager: %s has two methods %q, or one without a name", d.name, name))
	}
	d.methods[name] = m
}

func (d *typeInfo) find(name string) (method, error) {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	m, ok := d.methods[name]
	if !ok {
		return m, fmt.Errorf("%w: %s has no %q", ErrNoMethod, d.name, name)
	}
	return m, nil
}

// Object is a proxy of an object of a registered type.
type Object[T any] struct{ Proxy }

// New makes an object on the server.
func (t Type[T, A]) New(ctx context.Context, c *Client, arg A) (*Object[T], error) {
	p, err := create(ctx, c, kindObject+t.d.name, func(k *call) { putLast(k, ipc.CodecFor[A](), arg) })
	if err != nil {
		return nil, err
	}
	return &Object[T]{p}, nil
}

func (o *Object[T]) open(p Proxy) error {
	o.Proxy = p
	return isObject(p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (o *Object[T]) UnmarshalText(text []byte) error {
	var kind string
	if _, err := fmt.Sscanf(string(text), "manager %q", &kind); err != nil {
		return fmt.Errorf("manager: decoding a proxy from %.100q: %w", text, err)
	}
	if err := isObject(kind); err != nil {
		return err
	}
	return o.arrive(text, kind)
}

func isObject(kind string) error {
	if len(kind) <= len(kindObject) || kind[:len(kindObject)] != kindObject {
		return fmt.Errorf("%w: a %s, want one of a registered type", ErrKind, kind)
	}
	return nil
}

// Method is a method of a type's objects.
type Method[T, A, R any] struct {
	name    string
	args    func() *ipc.Codec[A]
	results func() *ipc.Codec[R]
}

// RegisterMethod makes a method known, where its type is registered. A name that is empty or taken panics.
func RegisterMethod[T, A, R, M any](t Type[T, M], name string, f func(ctx context.Context, o T, arg A) (R, error)) Method[T, A, R] {
	m := Method[T, A, R]{name, sync.OnceValue(ipc.CodecFor[A]), sync.OnceValue(ipc.CodecFor[R])}
	t.d.add(name, method{call: func(ctx context.Context, o any, arg []byte) ([]byte, error) {
		a, err := decode(m.args(), arg)
		if err != nil {
			return nil, err
		}
		r, err := f(ctx, o.(T), a)
		if err != nil {
			return nil, err
		}
		return m.results().Append(nil, r)
	}})
	return m
}

// Call calls the method. The end of ctx ends the method's; it is not waited for.
func (m Method[T, A, R]) Call(ctx context.Context, o *Object[T], arg A) (R, error) {
	k := putLast(o.ask(objectCall).putText(m.name), m.args(), arg)
	return value(ctx, k, m.results())
}

// Call calls a method by its name, for those who do not have it as a [Method]. One that is not registered is
// [ErrNoMethod].
func Call[R, T any](ctx context.Context, o *Object[T], name string, arg any) (R, error) {
	return value(ctx, putLast(o.ask(objectCall).putText(name), anyCodec(), arg), ipc.CodecFor[R]())
}

// AtClientEnd has f called when the client whose call ctx is of ends, so that a registered type can take back what
// that client holds; takeBack undoes it. The ctx is that of a method of a registered type.
func AtClientEnd(ctx context.Context, f func()) (takeBack func()) {
	s, ok := ctx.Value(sessionKey{}).(*session)
	if !ok {
		panic("manager: AtClientEnd with a context that no method was given")
	}
	return s.atEnd(f)
}

type sessionKey struct{}

// safely runs code of the program's own, whose panic is an error.
func safely[R any](f func() (R, error)) (r R, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = child.LocalPanic(child.StageRun, v)
		}
	}()
	return f()
}
