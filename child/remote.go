package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock"
)

// Stage says in which step of a task an error arose.
type Stage uint8

// The steps of a task, in order.
const (
	StageRun            Stage = iota // the function itself
	StageDecodeArgument              // making the argument from its encoding, in the child
	StageEncodeResult                // encoding the result, in the child
	StageEncodeArgument              // encoding the argument, in the parent
	StageDecodeResult                // making the result from its encoding, in the parent
	StageStart                       // the child's start: its initializer
	StageRecord                      // keeping the task's record in the results file
)

var stageNames = [...]string{"task", "decoding the argument", "encoding the result", "encoding the argument", "decoding the result", "starting", "recording"}

func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return fmt.Sprintf("stage %d", uint8(s))
}

// RemoteError is an error or a panic of a task, as it arrives in the parent.
// The original value stays in the child; its text, type name and, for a panic,
// stack are here. errors.Is finds the sentinel errors that the original
// wrapped, if they were given to [RegisterError] or belong to the standard
// library's usual ones, and errors.As a syscall.Errno.
type RemoteError struct {
	Type    string // type of the error, of the value given to panic, or of a Python exception
	Message string
	Stack   string // of the goroutine that panicked, or a Python traceback; "" for an ordinary error
	Stage   Stage
	Panic   bool
	causes  []error
}

func (e *RemoteError) Error() string {
	var b strings.Builder
	if e.Stage != StageRun {
		fmt.Fprintf(&b, "%v: ", e.Stage)
	}
	if e.Panic {
		b.WriteString("panic: ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// Unwrap returns the sentinel errors that the original wrapped.
func (e *RemoteError) Unwrap() []error { return e.causes }

// RegisterError lets a sentinel error keep its identity across processes:
// errors.Is(err, sentinel) holds in the parent when it held in the child. It
// is called where entries are registered. Two errors of the same type and text
// cannot be told apart and panic; registering one error twice is harmless.
func RegisterError(err error) {
	if err == nil {
		panic("child: RegisterError(nil)")
	}
	sentinels.Lock()
	defer sentinels.Unlock()
	sentinels.fill()
	sentinels.add(err)
}

var sentinels sentinelTable

type sentinelTable struct {
	sync.Mutex
	list  []error
	byKey map[string]error
}

// standard are the sentinel errors that need no registration.
var standard = []error{
	context.Canceled, context.DeadlineExceeded,
	io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite, io.ErrNoProgress,
	fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed,
	os.ErrDeadlineExceeded, os.ErrProcessDone, net.ErrClosed, errors.ErrUnsupported,
	oslock.ErrClosed, oslock.ErrNotOwner, oslock.ErrOwnerDied, oslock.ErrOverRelease,
	ipc.ErrEncode, ipc.ErrDecode, ipc.ErrCorrupt, ipc.ErrTooLarge, ipc.ErrClosed,
}

// fill puts the standard ones in, once; the caller holds the lock.
func (t *sentinelTable) fill() {
	if t.byKey == nil {
		t.byKey = make(map[string]error)
		for _, s := range standard {
			t.add(s)
		}
	}
}

func (t *sentinelTable) all() []error {
	t.Lock()
	defer t.Unlock()
	t.fill()
	return slices.Clip(t.list)
}

func (t *sentinelTable) find(key string) error {
	t.Lock()
	defer t.Unlock()
	t.fill()
	return t.byKey[key]
}

func (t *sentinelTable) add(err error) {
	key := sentinelKey(err)
	if old, ok := t.byKey[key]; ok {
		if !sameError(old, err) {
			panic(fmt.Sprintf("child: RegisterError: two errors of type %s read %q", reflect.TypeOf(err), err))
		}
		return
	}
	t.byKey[key] = err
	t.list = append(t.list, err)
}

func sameError(a, b error) bool {
	return reflect.TypeOf(a).Comparable() && a == b //nolint:errorlint // the very same, whatever it wraps
}

func sentinelKey(err error) string { return reflect.TypeOf(err).String() + ":" + err.Error() }

// remoteRecord is a RemoteError's encoded form.
type remoteRecord struct {
	Type    string   `msgpack:"t"`
	Message string   `msgpack:"m"`
	Stack   string   `msgpack:"s,omitempty"`
	Stage   uint8    `msgpack:"g,omitempty"`
	Panic   bool     `msgpack:"p,omitempty"`
	Is      []string `msgpack:"i,omitempty"` // keys of sentinel errors
	Errno   uint64   `msgpack:"e,omitempty"`
}

// encodeError encodes a task's error; an error whose own methods panic is
// still reported, by its type.
func encodeError(stage Stage, err error) (b []byte) {
	defer func() {
		if v := recover(); v != nil {
			b = mustMarshal(remoteRecord{
				Type: reflect.TypeOf(err).String(), Stage: uint8(stage),
				Message: fmt.Sprintf("error of type %T whose Error or Is method panicked: %v", err, v),
			})
		}
	}()
	r := remoteRecord{Type: reflect.TypeOf(err).String(), Message: err.Error(), Stage: uint8(stage)}
	if inner, ok := errors.AsType[*RemoteError](err); ok {
		r.Stack, r.Panic = inner.Stack, inner.Panic
	}
	for _, s := range sentinels.all() {
		if errors.Is(err, s) {
			r.Is = append(r.Is, sentinelKey(s))
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		r.Errno = uint64(errno)
	}
	return mustMarshal(r)
}

// encodePanic encodes a recovered panic; it is called while the panicking
// stack is still there.
func encodePanic(stage Stage, v any) []byte {
	r := remoteRecord{Type: fmt.Sprintf("%T", v), Stage: uint8(stage), Panic: true, Stack: string(debug.Stack())}
	r.Message = panicText(v)
	if err, ok := v.(error); ok {
		for _, s := range sentinels.all() {
			if safely(func() bool { return errors.Is(err, s) }) {
				r.Is = append(r.Is, sentinelKey(s))
			}
		}
	}
	return mustMarshal(r)
}

func panicText(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("value of type %T whose text cannot be had", v)
		}
	}()
	return fmt.Sprint(v)
}

func safely(f func() bool) (ok bool) {
	defer func() { _ = recover() }()
	return f()
}

func mustMarshal(r remoteRecord) []byte {
	b, err := msgpack.Marshal(r)
	if err != nil { // strings, numbers and a bool cannot fail
		panic(err)
	}
	return b
}

// DecodeError makes a RemoteError from one encoded error and returns what
// follows it.
func DecodeError(src []byte) (*RemoteError, []byte, error) {
	inner, rest, err := wire.Split(src)
	if err != nil {
		return nil, nil, err
	}
	var r remoteRecord
	if err := wire.Unmarshal(inner, &r); err != nil {
		return nil, rest, fmt.Errorf("child: damaged error record: %w", err)
	}
	return r.error(), rest, nil
}

func (r remoteRecord) error() *RemoteError {
	e := &RemoteError{Type: r.Type, Message: r.Message, Stack: r.Stack, Stage: Stage(r.Stage), Panic: r.Panic}
	for _, key := range r.Is {
		if s := sentinels.find(key); s != nil {
			e.causes = append(e.causes, s)
		}
	}
	if r.Errno != 0 {
		e.causes = append(e.causes, syscall.Errno(r.Errno))
	}
	return e
}

// EncodeError encodes a task's error as it is recorded in a results file, in
// plain msgpack; DecodeRecordedError reads it.
func EncodeError(err error) []byte {
	stage := StageRun
	if e, ok := errors.AsType[*RemoteError](err); ok {
		stage = e.Stage
	}
	encoded := encodeError(stage, err)
	e, ok := err.(*RemoteError) //nolint:errorlint // one that is wrapped has another text
	if !ok {
		return encoded
	}
	// The text of one that crosses again is its message with what Error puts before it.
	var r remoteRecord
	if msgpack.Unmarshal(encoded, &r) != nil {
		return encoded
	}
	r.Type, r.Message = e.Type, e.Message
	return mustMarshal(r)
}

// DecodeRecordedError makes a RemoteError of the payload of a failed record.
func DecodeRecordedError(payload []byte) (*RemoteError, error) {
	var r remoteRecord
	if err := wire.Unmarshal(payload, &r); err != nil {
		return nil, fmt.Errorf("child: damaged error record: %w", err)
	}
	return r.error(), nil
}

// LocalError makes the RemoteError that a task's error or panic in this
// process amounts to, so that both models report alike. The original stays
// reachable by errors.Is and errors.As.
func LocalError(stage Stage, err error) *RemoteError {
	var r remoteRecord
	if msgpack.Unmarshal(encodeError(stage, err), &r) != nil {
		return &RemoteError{Message: err.Error(), Stage: stage, causes: []error{err}}
	}
	e := r.error()
	e.causes = []error{err}
	return e
}

// LocalPanic is LocalError for a recovered panic; it is called while the
// panicking stack is still there.
func LocalPanic(stage Stage, v any) *RemoteError {
	e := &RemoteError{Type: fmt.Sprintf("%T", v), Message: panicText(v), Stack: string(debug.Stack()), Stage: stage, Panic: true}
	if err, ok := v.(error); ok {
		e.causes = []error{err}
	}
	return e
}
