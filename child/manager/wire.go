package manager

import (
	"encoding/binary"
	"fmt"

	"yunta/ipc"
)

// WireVersion is the version of what client and server say to each other; they refuse another than their own. It
// changes with every change of the wire, so both are best the same build of a program.
//
// A connection is one of package ipc, with its framing and its handshake. The server begins, with a greeting; from then on
// the client sends requests and the server replies, in any order. All numbers are varints of package encoding/binary,
// signed ones zigzag; a text or value is its length and its bytes, the last one of a frame may stand without a length;
// values are msgpack, as ipc.Codec makes it.
//
//	greeting   "yunta manager", version, text: the server's identity, text: its folder
//	request    id, object (0 is the server), method (1 byte), arguments
//	reply      id, 0 (1 byte), results
//	           id, 1 (1 byte), an error, as child.EncodeError makes it
//
// An id is of the client's choice and not in use.
const WireVersion = 1

const greeting = "yunta manager"

// Statuses of a reply.
const (
	statusOK byte = iota
	statusError
)

// Methods of the server itself.
const (
	serverCreate byte = iota
	serverCancel
	serverDelete
	serverPublish
	serverUnpublish
	serverFind
	serverStats
	serverPing
	serverShutdown
)

// reader takes a frame apart. Once something is missing all that follows is zero, and err says so.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool { return r.byte() != 0 }

// bytes returns a part of the frame itself.
func (r *reader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string { return string(r.bytes()) }

// count is the number of things to come, each of which has a byte at least.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// rest returns what is left, a part of the frame itself.
func (r *reader) rest() []byte {
	v := r.b
	r.b = nil
	return v
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) err() error {
	if r.bad {
		return fmt.Errorf("%w: a frame ends early: %w", ErrProtocol, ipc.ErrCorrupt)
	}
	return nil
}

func appendBytes[B []byte | string](dst []byte, b B) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendUint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendAll(dst []byte, items [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, b := range items {
		dst = appendBytes(dst, b)
	}
	return dst
}
