package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/child"
	"yunta/supervisor"
)

// stage is where in the life of a task a trap goes off.
type stage string

const (
	nowhere        stage = ""
	encodeArgument stage = "encode argument"
	decodeArgument stage = "decode argument"
	running        stage = "run"
	encodeResult   stage = "encode result"
	decodeResult   stage = "decode result"
)

var stages = []stage{encodeArgument, decodeArgument, running, encodeResult, decodeResult}

// inParent says that the stage is in the program's own process.
func (s stage) inParent() bool { return s == encodeArgument || s == decodeResult }

// wire is the stage as a RemoteError has it.
func (s stage) wire() child.Stage {
	switch s {
	case encodeArgument:
		return child.StageEncodeArgument
	case decodeArgument:
		return child.StageDecodeArgument
	case encodeResult:
		return child.StageEncodeResult
	case decodeResult:
		return child.StageDecodeResult
	}
	return child.StageRun
}

// fault is what a trap does.
type fault string

const (
	faultError   fault = "error"
	faultPanic   fault = "panic"
	faultNil     fault = "nil dereference"
	faultGoexit  fault = "goexit"
	faultExit    fault = "exit"
	faultSIGSEGV fault = "SIGSEGV"
)

var errTrap = errors.New("the trap went off")

func init() { child.RegisterError(errTrap) }

// trapExit is the status of faultExit.
const trapExit = 7

func (f fault) commit() error {
	switch f {
	case faultError:
		return errTrap
	case faultPanic:
		panic(errTrap)
	case faultNil:
		var p *trap
		p.N++ //nolint:govet // the fault that was asked for
	case faultGoexit:
		runtime.Goexit()
	case faultExit:
		os.Exit(trapExit)
	case faultSIGSEGV:
		if err := syscall.Kill(os.Getpid(), syscall.SIGSEGV); err != nil {
			return err
		}
		select {} // it is on its way
	}
	return nil
}

// trap is an argument that commits its fault at its stage, and becomes the
// result, which does the same.
type trap struct {
	At stage
	Do fault
	N  int
}

func (t trap) at(s stage) error {
	if t.At == s {
		return t.Do.commit()
	}
	return nil
}

type (
	trapArgument trap
	trapResult   trap
)

func (t trapArgument) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := trap(t).at(encodeArgument); err != nil {
		return err
	}
	return e.Encode(trap(t))
}

func (t *trapArgument) DecodeMsgpack(d *msgpack.Decoder) error {
	if err := d.Decode((*trap)(t)); err != nil {
		return err
	}
	return trap(*t).at(decodeArgument)
}

func (t trapResult) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := trap(t).at(encodeResult); err != nil {
		return err
	}
	return e.Encode(trap(t))
}

func (t *trapResult) DecodeMsgpack(d *msgpack.Decoder) error {
	if err := d.Decode((*trap)(t)); err != nil {
		return err
	}
	return trap(*t).at(decodeResult)
}

var spring = child.Register("spring", func(_ context.Context, a trapArgument) (trapResult, error) {
	if err := trap(a).at(running); err != nil {
		return trapResult{}, err
	}
	return trapResult(a), nil
})

// springOne runs one trap among tasks that are none, in futures of their own,
// and returns its error. The others must succeed, and a hundred more.
func springOne(t *testing.T, p *supervisor.Pool, s stage, f fault) error {
	t.Helper()
	const n, at = 8, 3
	var futures []*supervisor.Future[trapResult]
	for i := range n {
		a := trapArgument{N: i}
		if i == at {
			a.At, a.Do = s, f
		}
		futures = append(futures, supervisor.ApplyAsync(testContext(t), p, spring, a))
	}
	var failure error
	for i, f := range futures {
		got, err := f.Get(testContext(t))
		if i == at {
			failure = err
		} else if err != nil || got.N != i {
			t.Errorf("task %d, which has no trap: %v, %v", i, got, err)
		}
	}
	if failure == nil {
		t.Errorf("the trap did not go off")
	}
	wholeAgain(t, p)
	return failure
}

// springMany does it within one Map, in chunks, so that the trap has others
// before and behind it.
func springMany(t *testing.T, p *supervisor.Pool, s stage, f fault) error {
	t.Helper()
	const n, at = 24, 5
	args := make([]trapArgument, n)
	for i := range args {
		args[i].N = i
	}
	args[at].At, args[at].Do = s, f
	got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 8}), spring, args)
	var m *supervisor.MapError
	if !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != at || len(m.Unfinished) != 0 {
		t.Errorf("in a Map: %v", err)
		return err
	}
	for i, r := range got {
		if i != at && r.N != i || i == at && r.N != 0 {
			t.Errorf("in a Map: result %d is %v", i, r)
		}
	}
	wholeAgain(t, p)
	return m.Errors[0]
}

func wholeAgain(t *testing.T, p *supervisor.Pool) {
	t.Helper()
	got, err := supervisor.Map(testContext(t), p, square, ints(100))
	if err != nil || got[99] != 99*99 {
		t.Errorf("100 tasks afterwards: %v", err)
	}
}

// springer is a program that springs a trap in its own process.
var springer = helper("springer", func(args []string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2})
	must(err)
	fmt.Println("ready")
	_, err = supervisor.Apply(helperContext(), p, spring, trapArgument{At: stage(args[0]), Do: fault(args[1])})
	fmt.Println("survived:", err)
	return 1
})
