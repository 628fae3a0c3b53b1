package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yunta/ipc"
)

// Namespace is a proxy of an object on the server that has attributes of any type: Python's SyncManager.Namespace. Every
// method is one message, and atomic.
type Namespace struct{ Proxy }

// NewNamespace makes a namespace on the server, with these attributes.
func NewNamespace(ctx context.Context, c *Client, attributes map[string]any) (*Namespace, error) {
	p, err := create(ctx, c, kindNamespace, func(k *call) {
		k.putUint(uint64(len(attributes)))
		for name, v := range attributes {
			put(k.putText(name), anyCodec(), v)
		}
	})
	if err != nil {
		return nil, err
	}
	return &Namespace{p}, nil
}

func (n *Namespace) open(p Proxy) error {
	n.Proxy = p
	return wantKind(kindNamespace, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (n *Namespace) UnmarshalText(text []byte) error { return n.arrive(text, kindNamespace) }

func anyCodec() *ipc.Codec[any] { return ipc.CodecFor[any]() }

// Set sets an attribute.
func (n *Namespace) Set(ctx context.Context, name string, v any) error {
	return putLast(n.ask(dictSet).putText(name), anyCodec(), v).send(ctx)
}

// Get returns an attribute; ipc.Codec says what an interface gets. One that is not there is [ErrKey].
func (n *Namespace) Get(ctx context.Context, name string) (any, error) {
	return Attr[any](ctx, n, name)
}

// Attr returns an attribute as a T.
func Attr[T any](ctx context.Context, n *Namespace, name string) (T, error) {
	return value(ctx, n.ask(dictGet).putRest([]byte(name)), ipc.CodecFor[T]())
}

// AddAttr adds delta to an attribute, 0 if it is not there, and returns the sum; see [Dict.Add].
func AddAttr[T any](ctx context.Context, n *Namespace, name string, delta T) (T, error) {
	return addItem(ctx, n.ask(dictAdd).putText(name), ipc.CodecFor[T](), delta)
}

// Delete removes an attribute. One that is not there is [ErrKey].
func (n *Namespace) Delete(ctx context.Context, name string) error {
	return n.ask(dictDelete).putRest([]byte(name)).send(ctx)
}

// Names returns the names of the attributes, in the order in which they were first set.
func (n *Namespace) Names(ctx context.Context) ([]string, error) {
	k := n.ask(dictKeys)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return nil, err
	}
	out := make([]string, k.count())
	for i := range out {
		out[i] = k.text()
	}
	return out, k.reader.err()
}

// Text returns the attributes for people, sorted, as Python prints them: those whose names begin with an underscore are
// left out.
func (n *Namespace) Text(ctx context.Context) (string, error) {
	k := n.ask(dictItems)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return "", err
	}
	var parts []string
	for range k.count() {
		name := k.text()
		v, err := decode(anyCodec(), k.bytes())
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(name, "_") {
			parts = append(parts, fmt.Sprintf("%s=%#v", name, v))
		}
	}
	slices.Sort(parts)
	return "Namespace(" + strings.Join(parts, ", ") + ")", k.reader.err()
}
