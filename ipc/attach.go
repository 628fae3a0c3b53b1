package ipc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// ErrNoAttachments says that a value which has descriptors was encoded or
// decoded where none can travel. They travel in the argument of a child that
// is being started and in what [Conn.Send] sends over a Unix socket, and nowhere
// else.
var ErrNoAttachments = errors.New("ipc: descriptors travel only in the argument of a started process or over a Unix socket")

// Attachments are the open files that travel beside an encoded value. Python's
// counterpart is multiprocessing.reduction with DupFd.
//
// A type takes part by the methods of msgpack's CustomEncoder and
// CustomDecoder, in which it calls [EncodeFile] and [DecodeFile]:
//
//	func (c *Conn) EncodeMsgpack(enc *msgpack.Encoder) error { return ipc.EncodeFile(enc, c.file) }
//
//	func (c *Conn) DecodeMsgpack(dec *msgpack.Decoder) (err error) {
//		c.file, err = ipc.DecodeFile(dec)
//		return err
//	}
//
// The zero Attachments is empty and ready to encode with. It owns its files
// until they are taken. Goroutines may share it.
type Attachments struct {
	mu    sync.Mutex
	files []*os.File // to be sent
	fds   []int      // that have arrived, -1 where one was taken
}

// AttachmentsOf returns the attachments that arrived with a value: descriptors
// in the order of the sender's Files.
func AttachmentsOf(fds []int) *Attachments { return &Attachments{fds: fds} }

// Files returns what is to be sent, in order. The files still belong to a.
func (a *Attachments) Files() []*os.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clip(a.files)
}

// Close closes what was not sent elsewhere and what nobody has taken.
func (a *Attachments) Close() error {
	a.cut(0)
	a.mu.Lock()
	fds := a.fds
	a.fds = nil
	a.mu.Unlock()
	var errs []error
	for _, fd := range fds {
		if fd >= 0 {
			errs = append(errs, os.NewFile(uintptr(fd), "attachment").Close())
		}
	}
	return errors.Join(errs...)
}

// add keeps a duplicate of f and returns its number.
func (a *Attachments) add(f *os.File) (int, error) {
	// Not by f.Fd: whether the file blocks is the same for all descriptors of it.
	fd, err := dupFile(f)
	if err != nil {
		return 0, err
	}
	d := os.NewFile(uintptr(fd), f.Name())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files = append(a.files, d)
	return len(a.files) - 1, nil
}

// cut closes what was added since there were n.
func (a *Attachments) cut(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.files[n:] {
		_ = f.Close()
	}
	a.files = a.files[:n]
}

// take gives a file away, once.
func (a *Attachments) take(i int, name string) (*os.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i < 0 || i >= len(a.fds) || a.fds[i] < 0 {
		return nil, fmt.Errorf("%w: attachment %d of %d is not there", ErrCorrupt, i, len(a.fds))
	}
	fd := a.fds[i]
	a.fds[i] = -1
	return os.NewFile(uintptr(fd), name), nil
}

// attached is implemented by what an encoder writes to and a decoder reads from.
type attached interface{ attachments() *Attachments }

func (s *sink) attachments() *Attachments   { return s.files }
func (s *source) attachments() *Attachments { return s.files }

// EncodeFile attaches a duplicate of f, which the caller may close, to the
// value that enc is encoding, and writes its number and name as one value. Where
// nothing can be attached it fails with [ErrNoAttachments].
func EncodeFile(enc *msgpack.Encoder, f *os.File) error {
	a := attachmentsOf(enc.Writer())
	if a == nil {
		return ErrNoAttachments
	}
	i, err := a.add(f)
	if err != nil {
		return err
	}
	return errors.Join(enc.EncodeArrayLen(2), enc.EncodeUint(uint64(i)), enc.EncodeString(f.Name()))
}

// DecodeFile returns the file that was given to EncodeFile at this place. It
// belongs to the caller.
func DecodeFile(dec *msgpack.Decoder) (*os.File, error) {
	if n, err := dec.DecodeArrayLen(); err != nil || n != 2 {
		return nil, errors.Join(fmt.Errorf("%w: no attachment", ErrCorrupt), err)
	}
	i, err := dec.DecodeInt()
	if err != nil {
		return nil, err
	}
	name, err := dec.DecodeString()
	if err != nil {
		return nil, err
	}
	a := attachmentsOf(dec.Buffered())
	if a == nil {
		return nil, ErrNoAttachments
	}
	return a.take(i, name)
}

func attachmentsOf(v any) *Attachments {
	if s, ok := v.(attached); ok {
		return s.attachments()
	}
	return nil
}

// AppendAttached is Append for a value that may have attachments, which go to
// a. After an error a has what it had before.
func (c *Codec[T]) AppendAttached(dst []byte, v T, a *Attachments) ([]byte, error) {
	if c.Delimited() {
		return c.Append(dst, v)
	}
	n := len(a.Files())
	out, err := c.plan.appendReflect(dst, &v, a)
	if err != nil {
		a.cut(n)
	}
	return out, err
}

// DecodeAttached is Decode for a value that may have attachments, which come
// from a.
func (c *Codec[T]) DecodeAttached(src []byte, a *Attachments) (v T, rest []byte, err error) {
	if c.Delimited() {
		return c.Decode(src)
	}
	if rest, err = c.plan.decodeReflect(src, &v, a); err != nil {
		var zero T
		return zero, src, err
	}
	return v, rest, nil
}

// File is an open file as part of a value that is sent to another process,
// which gets a descriptor of the same open file: both share its offset and its
// locks. A nil File arrives as nil. Python: multiprocessing.reduction.DupFd.
type File struct{ *os.File }

// EncodeMsgpack attaches the file.
func (f File) EncodeMsgpack(enc *msgpack.Encoder) error {
	if f.File == nil {
		return enc.EncodeNil()
	}
	return EncodeFile(enc, f.File)
}

// DecodeMsgpack takes it.
func (f *File) DecodeMsgpack(dec *msgpack.Decoder) (err error) {
	f.File, err = DecodeFile(dec)
	return err
}
