package manager

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"yunta/ipc"
)

// FuzzRequests gives a session whatever may come: requests of objects of every kind, whole and damaged. It must neither
// panic nor hang, and the server must still serve.
func FuzzRequests(f *testing.F) {
	frame := func(object uint64, method byte, rest ...byte) []byte {
		return append(append(binary.AppendUvarint(binary.AppendUvarint(nil, 7), object), method), rest...)
	}
	for object := range uint64(16) {
		for method := range byte(20) {
			f.Add(frame(object, method))
			f.Add(frame(object, method, 1, 2, 3, 0xa1, 'k', 1, 5))
		}
	}
	f.Add([]byte{})
	f.Add([]byte{0})
	for _, kind := range []string{kindDict, kindList, kindQueue, kindSemaphore, kindBarrier, kindCondition, "object counter", "none"} {
		f.Add(frame(0, serverCreate, appendBytes(nil, kind)...))
		f.Add(frame(0, serverCreate, append(appendBytes(nil, kind), 2, 1, 0xa1, 1, 7)...))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		s := &Server{done: make(chan struct{})}
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		a, b, err := ipc.Pipe()
		check(t, err)
		defer a.Close()
		n := newSession(s, b)
		fill(t, s, n)
		r := reader{b: request}
		r.uint()
		if object, method := r.uint(), r.byte(); object == 0 && (method == serverShutdown || method == serverCreate && string(r.bytes()) == kindMemory) {
			return // of the server as a whole, and of real memory
		}
		n.take(request)
		n.take(append(binary.AppendUvarint(nil, 8), 0, serverCancel, 7))
		n.take([]byte{9, 0, serverPing})
		check(t, a.SetReadDeadline(time.Now().Add(patience)))
		for { // replies to all that can be answered, the last one to the ping
			reply, err := a.RecvBytes()
			check(t, err)
			if len(reply) >= 2 && reply[0] == 9 {
				break
			}
		}
		n.end()
		check(t, s.objects.clear())
		s.all.Wait()
	})
}

// fill gives the server an object of each kind.
func fill(t *testing.T, s *Server, n *session) {
	t.Helper()
	in := func(b ...byte) *request { return &request{s: n, in: reader{b: b}} }
	items := []byte{2, 1, 0x01, 1, 0x02}
	for _, make := range []func() (object, error){
		func() (object, error) { return newDict(kindDict, in(1, 2, 0xa1, 'k', 1, 5)), nil },
		func() (object, error) { return newList(kindList, in(items...)), nil },
		func() (object, error) { return newList(kindArray, in(items...)), nil },
		func() (object, error) { return newCell(in(5)), nil },
		func() (object, error) { return newQueue(in(2, 0)) },
		func() (object, error) { return newQueue(in(0, 1)) },
		func() (object, error) { return &lock{}, nil },
		func() (object, error) { return &rlock{}, nil },
		func() (object, error) { return newSemaphore(in(2, 1)) },
		func() (object, error) { return s.newCondition(in(7)) },
		func() (object, error) { return &event{}, nil },
		func() (object, error) { return newBarrier(in(4)) },
		func() (object, error) { return &instance{of: rooms.d, o: &room{guests: nil}}, nil },
	} {
		o, err := make()
		check(t, err)
		s.objects.add(o)
	}
}

// FuzzReply gives a client whatever a server may reply.
func FuzzReply(f *testing.F) {
	f.Add([]byte{7, 0, 1, 2, 0xa1, 'k', 5})
	f.Add([]byte{7, 1, 0x80})
	f.Add([]byte{7, 2})
	f.Add([]byte{})
	f.Add([]byte{7, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, frame []byte) {
		of := func() *call { return &call{frame: frame} }
		ctx := context.Background()
		if k := of(); k.result(ctx) == nil {
			_, _ = all(k, ipc.CodecFor[string]())
		}
		if k := of(); k.result(ctx) == nil {
			_, _ = last(k, ipc.CodecFor[map[string]any]())
		}
		if k := of(); k.result(ctx) == nil {
			k.int()
			k.bool()
			k.text()
		}
	})
}

// FuzzProxyText decodes what is no proxy.
func FuzzProxyText(f *testing.F) {
	f.Add(`manager "lock" 1 0123456789abcdef unix "/nowhere/socket" "/nowhere"`)
	f.Add(`manager "object room" 1 0123456789abcdef tcp "127.0.0.1:1" ""`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if err := new(Lock).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a proxy", text)
		}
		if err := new(Object[int]).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a proxy", text)
		}
	})
}
