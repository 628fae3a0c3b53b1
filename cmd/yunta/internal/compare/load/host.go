package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"time"

	"yunta/child"
	"yunta/cmd/yunta/internal/compare"
	"yunta/ipc"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// An Outcome is what a host says on its standard output.
type Outcome struct {
	Run    compare.Run    `json:"run"`
	Sum    string         `json:"sum"`    // of all results
	Prefix string         `json:"prefix"` // of the first ones
	Fault  *compare.Fault `json:"fault,omitempty"`
	Note   string         `json:"note,omitempty"` // Python's start method
}

// Serve is the host: it reads a Spec, does the run and writes the Outcome.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var s Spec
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return fmt.Errorf("no spec: %w", err)
	}
	var (
		o   *Outcome
		err error
	)
	if s.Fault != "" {
		o, err = suffer(ctx, s)
	} else {
		o, err = serve(ctx, s)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// A host has one pool.
type host struct {
	spec Spec
	pool *supervisor.Pool
	out  Outcome
}

func model(s Spec) supervisor.Model {
	if s.Model == "goroutine" {
		return supervisor.Goroutines
	}
	return supervisor.Processes
}

// pool returns the options of a pool. Processes that are not pinned may use all cores, as goroutines may, but only one at a time.
func (s Spec) pool(name string, workers int, first child.Call) supervisor.PoolOptions {
	o := supervisor.PoolOptions{Name: name, Processes: workers, Model: model(s), Initializer: first}
	if s.Model == "process" && !s.Pin {
		o.Pin, o.Env = supervisor.PinNone, []string{"GOMAXPROCS=1"}
	}
	return o
}

func serve(ctx context.Context, s Spec) (*Outcome, error) {
	dir, err := rundir.Create("compare")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	counter, err := ipc.NewValue(int64(0), ipc.ValueOptions{NoLock: true})
	if err != nil {
		return nil, err
	}
	defer counter.Close()
	set := setting{Spec: s, Lock: filepath.Join(dir.Path(), "lock"), Gather: filepath.Join(dir.Path(), "gather"), Counter: counter.Handle()}
	h := &host{spec: s}
	h.out.Run.Metrics = map[string]float64{}
	if err := h.start(ctx, set); err != nil {
		return nil, err
	}
	defer h.end()
	for _, part := range []func(context.Context) error{h.throughput, h.measure, h.latency, h.curve} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	if s.Workload == "counter" && s.Model == "process" {
		got, err := counter.Load(ctx)
		if want := int64(s.Tasks+2*s.Workers+s.Calls) * rounds; err != nil || got != want {
			return nil, fmt.Errorf("the counter is at %d, not %d (%w)", got, want, err)
		}
	}
	return &h.out, errors.Join(h.pool.Close(), h.pool.Wait(ctx))
}

func (h *host) end() {
	_ = h.pool.Terminate() // it has no error
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = h.pool.Wait(ctx) // what is left then, the end of this process ends
}

// start makes the pool and says where the time to its first result went.
func (h *host) start(ctx context.Context, set setting) error {
	began := time.Now()
	pool, err := supervisor.NewPool(ctx, h.spec.pool("compare", h.spec.Workers, setup.Bind(set)))
	if err != nil {
		return err
	}
	h.pool = pool
	made := time.Now()
	stamps, err := supervisor.Apply(ctx, pool, probe, 0)
	if err != nil {
		h.end()
		return err
	}
	answered := time.Now()
	h.out.Run.Metrics["ready"] = ms(answered.Sub(began))
	names, at := []string{"making the pool", "first task there and back"}, []time.Time{made, answered}
	if h.spec.Model == "process" && len(stamps) == 4 {
		names = []string{"fork, exec, Go runtime", "handshake, set up", "pool complete", "first task there and back"}
		at = []time.Time{time.Unix(0, stamps[0]), time.Unix(0, stamps[1]), made, answered}
	}
	last := began
	for i, t := range at {
		if t.Before(last) { // stamps of another process, or of a worker that was ready before the last one
			t = last
		}
		h.out.Run.Start = append(h.out.Run.Start, compare.Step{Name: names[i], MS: ms(t.Sub(last))})
		last = t
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func indexes(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

// throughput runs all tasks once. Before that every worker does two, which are not counted: its code and its heap are warm then.
func (h *host) throughput(ctx context.Context) error {
	s := h.spec
	if s.Workload == "echo" {
		return h.echoes(ctx)
	}
	if _, err := supervisor.Map(ctx, h.pool.With(supervisor.CallOptions{ChunkSize: 1}), task, indexes(2*s.Workers)); err != nil {
		return err
	}
	args := indexes(s.Tasks)
	began := time.Now()
	results, err := supervisor.Map(ctx, h.pool, task, args)
	took := time.Since(began)
	if err != nil {
		return err
	}
	marks := make([]mark, len(results))
	for i, b := range results {
		if marks[i], err = decodeMark(b); err != nil {
			return err
		}
	}
	h.out.Run.Metrics["throughput"] = float64(s.Tasks) / took.Seconds()
	sum, prefix := checksum(0, 0), ""
	var waited, samples int64
	for i, m := range marks {
		sum = checksum(sum, m.sum)
		if i == s.Prefix-1 {
			prefix = hex(sum)
		}
		waited, samples = waited+m.waited, samples+m.samples
	}
	h.out.Sum, h.out.Prefix = hex(sum), prefix
	if samples > 0 {
		h.out.Run.Metrics["lock_wait"] = 100 * float64(waited) / float64(samples)
	}
	if s.Lanes {
		h.out.Run.Lanes = h.lanes(marks, began.UnixNano())
	}
	return nil
}

// checksum goes on with a sum (FNV-1a over numbers), the same in python.py.
func checksum(sum, next uint64) uint64 { return (sum ^ next) * 1099511628211 }

func hex(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// messages yields n equal messages.
func messages(n int, b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for range n {
			if !yield(b) {
				return
			}
		}
	}
}

func (h *host) echoes(ctx context.Context) error {
	s := h.spec
	b := message(1 << 10)
	total := uint64(0)
	began := time.Now()
	for got, err := range supervisor.IMap(ctx, h.pool, echo, messages(s.Tasks, b)) {
		if err != nil {
			return err
		}
		total += uint64(len(got)) + uint64(got[0]) + uint64(got[len(got)-1])
	}
	h.out.Run.Metrics["throughput"] = float64(s.Tasks) / time.Since(began).Seconds()
	h.out.Sum = hex(total)
	h.out.Prefix = hex(total / uint64(s.Tasks) * uint64(s.Prefix))
	return nil
}

func message(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + 3)
	}
	return b
}
