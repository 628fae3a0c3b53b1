package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"yunta/child"
	"yunta/ipc"
)

// call is one request and its reply.
type call struct {
	reader // of the reply

	c     *Client
	id    uint64
	buf   []byte // the request
	frame []byte // the reply; written by who receives before done
	err   error  // of making or sending the request
	done  chan struct{}
}

var callPool = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// ask begins a request. Errors are kept until do.
func (c *Client) ask(object uint64, method byte) *call {
	k := callPool.Get().(*call)
	k.c, k.err, k.reader = c, nil, reader{}
	if c == nil {
		k.err = ErrClosed
		return k
	}
	k.id = c.lastCall.Add(1)
	k.buf = binary.AppendUvarint(k.buf[:0], k.id)
	k.buf = binary.AppendUvarint(k.buf, object)
	k.buf = append(k.buf, method)
	return k
}

// free gives the call back. Nothing that was taken from it may alias it.
func (k *call) free() {
	k.c = nil
	if cap(k.buf) > keepFrame {
		k.buf = nil
	}
	if cap(k.frame) > keepFrame {
		k.frame = nil
	}
	callPool.Put(k)
}

func (k *call) putUint(v uint64) *call { k.buf = binary.AppendUvarint(k.buf, v); return k }
func (k *call) putInt(v int) *call     { k.buf = binary.AppendVarint(k.buf, int64(v)); return k }
func (k *call) putByte(v byte) *call   { k.buf = append(k.buf, v); return k }
func (k *call) putBool(v bool) *call   { k.buf = appendBool(k.buf, v); return k }
func (k *call) putText(v string) *call { k.buf = appendBytes(k.buf, v); return k }
func (k *call) putRest(v []byte) *call { k.buf = append(k.buf, v...); return k }
func (k *call) failed(err error) *call { k.err = errors.Join(k.err, err); return k }

// put adds a value with its length.
func put[T any](k *call, codec *ipc.Codec[T], v T) *call {
	if k.err != nil {
		return k
	}
	const room = 5 // of the length, until it is known
	at := len(k.buf)
	out, err := codec.Append(append(k.buf, make([]byte, room)...), v)
	if err != nil {
		return k.failed(err)
	}
	n := len(out) - at - room
	if n < 0x80 { // the commonest by far
		out[at] = byte(n)
		k.buf = append(out[:at+1], out[at+room:]...)
		return k
	}
	var head [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], uint64(n))
	if size > room {
		return k.failed(fmt.Errorf("%w: a value of %d bytes", ipc.ErrTooLarge, n))
	}
	copy(out[at:], head[:size])
	k.buf = append(out[:at+size], out[at+room:]...)
	return k
}

// putLast adds a value to which the frame's end belongs.
func putLast[T any](k *call, codec *ipc.Codec[T], v T) *call {
	if k.err != nil {
		return k
	}
	out, err := codec.Append(k.buf, v)
	if err != nil {
		return k.failed(err)
	}
	k.buf = out
	return k
}

// decode makes a value of bytes that are one.
func decode[T any](codec *ipc.Codec[T], b []byte) (T, error) {
	v, rest, err := codec.Decode(b)
	if err == nil && len(rest) > 0 {
		return v, fmt.Errorf("%w: %d bytes follow the value", ipc.ErrDecode, len(rest))
	}
	return v, err
}

// last decodes the value to which the end of the reply belongs.
func last[T any](k *call, codec *ipc.Codec[T]) (T, error) { return decode(codec, k.rest()) }

// all decodes a counted sequence of values.
func all[T any](k *call, codec *ipc.Codec[T]) ([]T, error) {
	out := make([]T, k.count())
	for i := range out {
		v, err := decode(codec, k.bytes())
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, k.reader.err()
}

// send is do where no result is wanted.
func (k *call) send(ctx context.Context) error {
	defer k.free()
	return k.do(ctx)
}

// do sends the request and waits for the reply, of which it leaves the results in reader.
func (k *call) do(ctx context.Context) error {
	if k.err != nil {
		return k.err
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	c := k.c
	c.mu.Lock()
	if c.dead != nil {
		c.mu.Unlock()
		return c.dead
	}
	c.calls[k.id] = k
	c.mu.Unlock()
	if err := c.conn.SendBytes(k.buf); err != nil {
		c.fail(fmt.Errorf("%w: %w", ErrLost, err)) // which ends this call, too
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, k.cancel(k.id))
		defer stop()
	}
	k.wait()
	if k.err != nil {
		return k.err
	}
	return k.result(ctx)
}

// wait waits for the reply, and receives while nobody else does.
func (k *call) wait() {
	for {
		select {
		case <-k.done:
			return
		case k.c.lead <- struct{}{}:
		}
		select {
		case <-k.done: // it came just before
			<-k.c.lead
			return
		default:
		}
		k.c.receive(k)
		<-k.c.lead
	}
}

// result looks at the reply.
func (k *call) result(ctx context.Context) error {
	k.reader = reader{b: k.frame}
	k.uint()
	switch k.byte() {
	case statusOK:
		return k.reader.err()
	case statusError:
	default:
		return fmt.Errorf("%w: a reply that is neither result nor error", ErrProtocol)
	}
	e, err := child.DecodeRecordedError(k.rest())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if ctx.Err() != nil && errors.Is(e, context.Canceled) {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), e)
	}
	return e
}

// cancel returns what tells the server that nobody waits for the reply any more: the reply then comes soon. A call may
// be over, and its memory in use for another, when that runs.
func (k *call) cancel(id uint64) func() {
	c := k.c
	return func() {
		timer := time.AfterFunc(cancelTimeout, func() {
			c.fail(fmt.Errorf("%w: the server does not answer for %v", ErrLost, cancelTimeout))
		})
		defer timer.Stop()
		_ = c.ask(0, serverCancel).putUint(id).send(context.Background()) // what is wrong shows in the call
	}
}
