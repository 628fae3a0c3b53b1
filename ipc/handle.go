package ipc

import (
	"errors"

	"github.com/vmihailenco/msgpack/v5"
)

// A Queue, SharedMemory, Value or Array can be part of any value that is sent
// to another process of this machine, in an argument, say: it travels as its
// [Handle], and what arrives is open, and its receiver's to close.

var errDecodeInUse = errors.New("ipc: decoding into what is open already")

// encode writes a handle as an array of its two paths.
func (h Handle) encode(enc *msgpack.Encoder) error {
	return errors.Join(enc.EncodeArrayLen(2), enc.EncodeString(h.File), enc.EncodeString(h.Lock))
}

func decodeHandle(dec *msgpack.Decoder) (h Handle, err error) {
	n, err := dec.DecodeArrayLen()
	if err == nil && n != 2 {
		err = ErrCorrupt
	}
	if err == nil {
		h.File, err = dec.DecodeString()
	}
	if err == nil {
		h.Lock, err = dec.DecodeString()
	}
	return h, err
}

// decodeOpen opens what a handle that arrives is of.
func decodeOpen[X any](dec *msgpack.Decoder, used bool, open func(Handle) (X, error)) (x X, err error) {
	if used {
		return x, errDecodeInUse
	}
	h, err := decodeHandle(dec)
	if err != nil {
		return x, err
	}
	return open(h)
}

// EncodeMsgpack sends the queue's handle.
func (q *Queue[T]) EncodeMsgpack(enc *msgpack.Encoder) error { return q.Handle().encode(enc) }

// DecodeMsgpack opens the queue that was sent.
func (q *Queue[T]) DecodeMsgpack(dec *msgpack.Decoder) error {
	o, err := decodeOpen(dec, q.f != nil, OpenQueue[T])
	if err == nil {
		*q = *o
	}
	return err
}

// EncodeMsgpack sends the segment's handle.
func (m *SharedMemory) EncodeMsgpack(enc *msgpack.Encoder) error { return m.Handle().encode(enc) }

// DecodeMsgpack opens the segment that was sent.
func (m *SharedMemory) DecodeMsgpack(dec *msgpack.Decoder) error {
	o, err := decodeOpen(dec, m.region != nil, OpenSharedMemoryHandle)
	if err == nil {
		*m = *o
	}
	return err
}

// EncodeMsgpack sends the value's handle.
func (v *Value[T]) EncodeMsgpack(enc *msgpack.Encoder) error { return v.Handle().encode(enc) }

// DecodeMsgpack opens the value that was sent.
func (v *Value[T]) DecodeMsgpack(dec *msgpack.Decoder) error {
	o, err := decodeOpen(dec, v.s != nil, OpenValue[T])
	if err == nil {
		*v = *o
	}
	return err
}

// EncodeMsgpack sends the array's handle.
func (a *Array[T]) EncodeMsgpack(enc *msgpack.Encoder) error { return a.Handle().encode(enc) }

// DecodeMsgpack opens the array that was sent.
func (a *Array[T]) DecodeMsgpack(dec *msgpack.Decoder) error {
	o, err := decodeOpen(dec, a.s != nil, OpenArray[T])
	if err == nil {
		*a = *o
	}
	return err
}
