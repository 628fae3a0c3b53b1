package supervisor_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/wire"
	"yunta/supervisor"
)

// Entries of testdata/worker.py.
var (
	pySquare = child.Foreign[int, int]("square")
	pyPID    = child.Foreign[int, int]("pid")
	pyBig    = child.Foreign[int, []byte]("big")
	pyLength = child.Foreign[[]byte, int]("length")
	pyFails  = child.Foreign[int, int]("fails")
)

// findPython finds a python3, once.
var findPython = sync.OnceValues(func() (string, error) { return exec.LookPath("python3") })

// pythonCommand is a Command of testdata/worker.py, and what its Env must have.
func pythonCommand(t testing.TB, args ...string) supervisor.PoolOptions {
	t.Helper()
	python, err := findPython()
	if err != nil {
		t.Skip("there is no python3 to run a worker")
	}
	dir, err := filepath.Abs("../child/python")
	if err != nil {
		t.Fatal(err)
	}
	return supervisor.PoolOptions{
		Processes: 2, Command: append([]string{python, "testdata/worker.py"}, args...),
		Env: []string{"PYTHONPATH=" + dir, "PYTHONDONTWRITEBYTECODE=1"}, StartTimeout: patience,
	}
}

// pythons runs a test with each way to encode that there is.
func pythons(t *testing.T, f func(t *testing.T, o supervisor.PoolOptions)) {
	for _, codec := range []string{"own", "msgpack"} {
		t.Run(codec, func(t *testing.T) {
			o := pythonCommand(t)
			if codec == "own" {
				o.Command = append(o.Command, "without msgpack")
			} else if !hasMsgpack(o.Command[0]) {
				if o.Command[0] = "/usr/bin/python3"; !hasMsgpack(o.Command[0]) {
					t.Skip("python3 has no module msgpack")
				}
			}
			p := newPool(t, o)
			got, err := supervisor.Apply(testContext(t), p, child.Foreign[int, string]("codec"), 0)
			if got != codec || err != nil {
				t.Fatal(got, err)
			}
			p.Close()
			f(t, o)
		})
	}
}

func hasMsgpack(python string) bool {
	return exec.Command(python, "-c", "import msgpack; assert msgpack.version >= (1, 0, 0)").Run() == nil
}

func TestCommandMap(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	args := ints(2000)
	got, err := supervisor.Map(testContext(t), p, pySquare, args)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != i*i {
			t.Fatalf("square(%d) = %d", i, v)
		}
	}
	if s := p.Stats(); s.Tasks != 2000 || s.Failed != 0 || s.Died != 0 {
		t.Errorf("%+v", s)
	}
	// An entry that this program has, too, goes by its name.
	if v, err := supervisor.Apply(testContext(t), p, square, 12); v != 144 || err != nil {
		t.Error(v, err)
	}
	for _, w := range p.Workers() {
		if w.PID == os.Getpid() || w.State == "running" {
			t.Errorf("%+v", w)
		}
	}
}

func TestCommandStreamsAndFutures(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	ctx := testContext(t)
	n := 0
	for v, err := range supervisor.IMap(ctx, p, pySquare, slices.Values(ints(500))) {
		if v != n*n || err != nil {
			t.Fatal(n, v, err)
		}
		n++
	}
	sum := 0
	for v, err := range supervisor.IMapUnordered(ctx, p.With(supervisor.CallOptions{ChunkSize: 7}), pySquare, slices.Values(ints(100))) {
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	if n != 500 || sum != 328350 {
		t.Error(n, sum)
	}
	f := supervisor.ApplyAsync(ctx, p, pySquare, 9)
	if v, err := f.Get(ctx); v != 81 || err != nil {
		t.Error(v, err)
	}
}

func TestCommandValues(t *testing.T) {
	t.Parallel()
	pythons(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		same[any](t, p, nil)
		same(t, p, true)
		for _, n := range []int64{0, 1, 127, 128, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, math.MaxInt64, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64} {
			same(t, p, n)
		}
		same(t, p, uint64(math.MaxUint64))
		for _, f := range []float64{0, -0.5, math.Inf(1), 1e300, 3} {
			same(t, p, f)
		}
		for _, n := range []int{0, 1, 31, 32, 255, 256, 65535, 65536} {
			same(t, p, strings.Repeat("x", n))
			same(t, p, bytes.Repeat([]byte{0xff}, n))
			same(t, p, slices.Repeat([]int{7}, n))
		}
		same(t, p, "añil, 犬, 🐂")
		same(t, p, "no \xff UTF-8")
		same(t, p, map[string][]int{"a": {1, 2}, "b": {}})
		same(t, p, map[int]string{1: "one", -70000: "less"})
		same(t, p, point{X: 1, Name: "P", Inner: &point{X: 2}})
		same(t, p, time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC))
		same(t, p, time.Date(1931, 2, 28, 1, 2, 3, 0, time.UTC))
		for v, want := range map[any]string{nil: "NoneType", true: "bool", 1: "int", 1.5: "float", "s": "str"} {
			if got, err := supervisor.Apply(testContext(t), p, child.Foreign[any, string]("kind"), v); got != want || err != nil {
				t.Errorf("kind of %v: %q, %v", v, got, err)
			}
		}
		// A float where Go wants one, though Python says 4.
		if v, err := supervisor.Apply(testContext(t), p, child.Foreign[int, float64]("square"), 2); v != 4 || err != nil {
			t.Error(v, err)
		}
	})
}

type point struct {
	X     int
	Name  string
	Inner *point
}

// same sends a value there and back.
func same[T any](t *testing.T, p *supervisor.Pool, v T) {
	t.Helper()
	got, err := supervisor.Apply(testContext(t), p, child.Foreign[T, T]("same"), v)
	want := any(v)
	if x, ok := want.(time.Time); ok && err == nil {
		if !x.Equal(any(got).(time.Time)) {
			t.Errorf("sent %v, got %v", v, got)
		}
		return
	}
	if err != nil || !reflect.DeepEqual(any(got), want) {
		t.Errorf("sent %.60v, got %.60v, %v", v, got, err)
	}
}

// What cannot be encoded, or decoded, fails its own task and no other.
func TestCommandBadValues(t *testing.T) {
	t.Parallel()
	pythons(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		ctx := testContext(t)
		got, err := supervisor.Map(ctx, p, child.Foreign[int, uint64]("two_to"), []int{3, 64, 63, 100})
		if got[0] != 8 || got[2] != 1<<63 {
			t.Error(got)
		}
		m, ok := errors.AsType[*supervisor.MapError](err)
		if !ok || len(m.Errors) != 2 || m.Errors[0].Index != 1 || m.Errors[1].Index != 3 {
			t.Fatal(err)
		}
		remote, ok := errors.AsType[*supervisor.RemoteError](m.Errors[0])
		if !ok || remote.Type != "OverflowError" || remote.Stage != child.StageEncodeResult || !strings.Contains(remote.Message, "65 bits") {
			t.Errorf("%+v", remote)
		}
		_, err = supervisor.Apply(ctx, p, child.Foreign[int, []int]("a_set"), 0)
		if remote, ok := errors.AsType[*supervisor.RemoteError](err); !ok || remote.Stage != child.StageEncodeResult || !strings.Contains(err.Error(), "set") {
			t.Error(err)
		}
		// Of another type than Go expects.
		texts, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 4}), child.Foreign[any, string]("same"), []any{"a", 1, "c", nil})
		if !slices.Equal([]string{texts[0], texts[2]}, []string{"a", "c"}) {
			t.Error(texts)
		}
		if remote, ok := errors.AsType[*supervisor.RemoteError](err); !ok || remote.Stage != child.StageDecodeResult {
			t.Error(err)
		}
		if s := p.Stats(); s.Died != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCommandLargeValues(t *testing.T) {
	t.Parallel()
	pythons(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		ctx := testContext(t)
		for _, n := range []int{wire.InlineLimit - 1, wire.InlineLimit, wire.MaxPiece - 5, wire.MaxPiece, wire.MaxPiece + 1, 3 * wire.MaxPiece, 5 << 20} {
			if got, err := supervisor.Apply(ctx, p, pyLength, make([]byte, n)); got != n || err != nil {
				t.Errorf("an argument of %d bytes: %d, %v", n, got, err)
			}
			got, err := supervisor.Apply(ctx, p, pyBig, n)
			if len(got) != n || bytes.Count(got, []byte{0xa5}) != n || err != nil {
				t.Errorf("a result of %d bytes: %d, %v", n, len(got), err)
			}
		}
		results, err := supervisor.Map(ctx, p, pyBig, slices.Repeat([]int{1 << 20}, 20))
		for i, r := range results {
			if len(r) != 1<<20 {
				t.Errorf("result %d has %d bytes, %v", i, len(r), err)
			}
		}
		if o.Command[len(o.Command)-1] == "without msgpack" && !testing.Short() {
			if got, err := supervisor.Apply(ctx, p, pyBig, 200<<20); len(got) != 200<<20 || err != nil {
				t.Error(len(got), err)
			}
			if got, err := supervisor.Apply(ctx, p, pyLength, make([]byte, 200<<20)); got != 200<<20 || err != nil {
				t.Error(got, err)
			}
		}
	})
}
