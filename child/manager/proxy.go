package manager

import (
	"context"
	"errors"
	"fmt"
)

// Proxy is what all proxies have in common: an object on a server, and the client by which it is reached.
//
// A proxy can be part of any value that is sent to another process, and of what is put into another object of
// the same server: a list of dicts is a List[*Dict[K, V]]. It travels as a line of text, and what arrives uses the
// client that its process has of the server, the first one if there are several. A process that has none dials by
// itself if it runs on the server's machine under the same user; elsewhere Dial it before proxies arrive, or they are
// [ErrNoServer]. The text has no key in it.
//
// An object stays until somebody calls Unlink, or the server ends: proxies come and go without a word, and nothing is
// counted. (In Python an object goes with its last proxy, and with one that is still on its way, too.) Calls for an object that
// was unlinked are [ErrGone].
type Proxy struct {
	c    *Client
	id   uint64
	kind string
}

// errInUse refuses to decode into a proxy that is one already.
var errInUse = errors.New("manager: decoding into a proxy that is in use")

// Client returns the client by which the object is reached.
func (p *Proxy) Client() *Client { return p.c }

func (p *Proxy) via(c *Client) (Proxy, error) {
	if p.c == nil || c == nil {
		return Proxy{}, ErrClosed
	}
	if c.server != p.c.server {
		return Proxy{}, fmt.Errorf("%w: the client is another server's", ErrNoServer)
	}
	return Proxy{c: c, id: p.id, kind: p.kind}, nil
}

// Same reports whether both are proxies of one object.
func (p *Proxy) Same(o *Proxy) bool {
	return p.c != nil && o.c != nil && p.id == o.id && p.c.server == o.c.server
}

// Unlink removes the object from the server. Those who wait for it are told [ErrGone].
func (p *Proxy) Unlink(ctx context.Context) error {
	return p.c.ask(0, serverDelete).putUint(p.id).send(ctx)
}

// Publish gives the object a name, by which other clients find it with [Open]. A name in use is fs.ErrExist. Python:
// BaseManager.register of a callable that returns the one object.
func (p *Proxy) Publish(ctx context.Context, name string) error {
	return p.c.ask(0, serverPublish).putUint(p.id).putText(name).send(ctx)
}

// String names the object, for people.
func (p *Proxy) String() string {
	if p.c == nil {
		return "manager: no object"
	}
	return fmt.Sprintf("<%s %d at %s>", p.kind, p.id, p.c.address)
}

func (p *Proxy) ask(method byte) *call { return p.c.ask(p.id, method) }

// MarshalText returns what the proxy travels as.
func (p *Proxy) MarshalText() ([]byte, error) {
	if p.c == nil {
		return nil, errors.New("manager: encoding a proxy of nothing")
	}
	return fmt.Appendf(nil, "manager %q %d %s %s %q %q", p.kind, p.id, p.c.server, p.c.network, p.c.address, p.c.home), nil
}

// arrive is UnmarshalText for a proxy of that kind.
func (p *Proxy) arrive(text []byte, kind string) error {
	if p.c != nil {
		return errInUse
	}
	var o Proxy
	var server, network, address, home string
	if _, err := fmt.Sscanf(string(text), "manager %q %d %s %s %q %q", &o.kind, &o.id, &server, &network, &address, &home); err != nil {
		return fmt.Errorf("manager: decoding a proxy from %.100q: %w", text, err)
	}
	if err := wantKind(kind, o.kind); err != nil {
		return err
	}
	c, err := clients.find(server, network, address, home)
	if err != nil {
		return err
	}
	o.c = c
	*p = o
	return nil
}

func wantKind(want, got string) error {
	if want != got {
		return fmt.Errorf("%w: a %s, want a %s", ErrKind, got, want)
	}
	return nil
}

// create makes an object; more adds what its maker wants to know.
func create(ctx context.Context, c *Client, kind string, more func(*call)) (Proxy, error) {
	k := c.ask(0, serverCreate).putText(kind)
	defer k.free()
	if more != nil {
		more(k)
	}
	if err := k.do(ctx); err != nil {
		return Proxy{}, err
	}
	p := Proxy{c: c, id: k.uint(), kind: kind}
	return p, k.reader.err()
}

// Opener is a pointer to a proxy type: what [Open] opens.
type Opener[P any] interface {
	*P
	open(Proxy) error
}

// Open returns a proxy of the object that was published under that name: manager.Open[manager.Queue[string]](ctx, c,
// "jobs"). A name that nobody has published is fs.ErrNotExist, one of an object of another kind [ErrKind]. What types its
// maker used is not known: what does not fit is ipc.ErrDecode when it is got.
func Open[P any, O Opener[P]](ctx context.Context, c *Client, name string) (O, error) {
	k := c.ask(0, serverFind).putText(name)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return nil, err
	}
	found := Proxy{c: c, id: k.uint(), kind: k.text()}
	if err := k.reader.err(); err != nil {
		return nil, err
	}
	return opened[P, O](found)
}

// Via returns a proxy of the same object that is reached by another client of the same server: what is got through
// it is held by that client.
func Via[P any, O Opener[P]](c *Client, o O) (O, error) {
	p, err := any(o).(interface{ base() *Proxy }).base().via(c)
	if err != nil {
		return nil, err
	}
	return opened[P, O](p)
}

func (p *Proxy) base() *Proxy { return p }

func opened[P any, O Opener[P]](p Proxy) (O, error) {
	o := O(new(P))
	if err := o.open(p); err != nil {
		return nil, err
	}
	return o, nil
}

// Unpublish takes a name back; the object stays. A name that nobody has published is fs.ErrNotExist.
func (c *Client) Unpublish(ctx context.Context, name string) error {
	return c.ask(0, serverUnpublish).putText(name).send(ctx)
}

// Stats are a server's numbers.
type Stats struct {
	PID     int
	Objects int // that were made and not unlinked
	Clients int // that are connected
}

// Stats returns the server's numbers. Python: _number_of_objects.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	k := c.ask(0, serverStats)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return Stats{}, err
	}
	s := Stats{PID: k.int(), Objects: k.int(), Clients: k.int()}
	return s, k.reader.err()
}

// Ping returns nil if the server answers.
func (c *Client) Ping(ctx context.Context) error { return c.ask(0, serverPing).send(ctx) }

// Shutdown has the server end, for all its clients, and returns when it has said that it will. Python:
// BaseManager.shutdown.
func (c *Client) Shutdown(ctx context.Context) error { return c.ask(0, serverShutdown).send(ctx) }
