package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
)

// loaded is about when the packages of this process had set themselves up.
var loaded = time.Now()

// A setting is what every worker is told once.
type setting struct {
	Spec
	Lock    string // path of counter's lock
	Counter ipc.Handle
	Gather  string // path of the barrier at which all workers meet
}

// state is this process's, once it is set up.
var state struct {
	once    sync.Once
	err     error
	set     setting
	ready   time.Time
	lock    *oslock.Lock
	counter *ipc.Value[int64]
	gather  *oslock.Barrier

	mutex sync.Mutex // guards count: the lock and the number of the goroutine model
	count int64
	lanes [64]atomic.Bool // taken by a goroutine
}

var setup = child.Register("compare/setup", func(_ context.Context, s setting) (bool, error) {
	state.once.Do(func() {
		state.set, state.ready = s, time.Now()
		if state.gather, state.err = oslock.OpenBarrier(s.Gather, s.Workers, oslock.BarrierOptions{}); state.err != nil {
			return
		}
		if s.Workload == "counter" && s.Model == "process" {
			if state.lock, state.err = oslock.OpenLock(s.Lock, oslock.LockOptions{}); state.err != nil {
				return
			}
			state.counter, state.err = ipc.OpenValue[int64](s.Counter)
		}
	})
	return true, state.err
})

// A mark is what a task says of itself: 48 bytes, so that saying it costs all models next to nothing.
type mark struct {
	sum      uint64
	lane     int64
	start    int64 // Unix time, ns: the processes share this clock
	duration int64
	waited   int64 // ns waiting for the lock, in samples
	samples  int64 // ns between the first locking and the last unlocking of a sampled round
}

func (m mark) encode() []byte {
	b := make([]byte, 0, 48)
	for _, v := range []uint64{m.sum, uint64(m.lane), uint64(m.start), uint64(m.duration), uint64(m.waited), uint64(m.samples)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func decodeMark(b []byte) (mark, error) {
	if len(b) != 48 {
		return mark{}, fmt.Errorf("a task said %d bytes of itself, not 48", len(b))
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	return mark{uint64(at(0)), at(1), at(2), at(3), at(4), at(5)}, nil
}

// enter returns the number of the worker that calls it. Goroutines take the lowest that is free.
func enter() (lane int64, leave func()) {
	if worker := child.Self().Worker; worker >= 0 {
		return int64(worker), func() {}
	}
	for i := range state.lanes {
		if state.lanes[i].CompareAndSwap(false, true) {
			return int64(i), func() { state.lanes[i].Store(false) }
		}
	}
	return int64(len(state.lanes)), func() {}
}

var task = child.Register("compare/task", func(ctx context.Context, i int64) ([]byte, error) {
	lane, leave := enter()
	defer leave()
	start := time.Now()
	m := mark{lane: lane, start: start.UnixNano()}
	var err error
	switch w := state.set.Workload; w {
	case "primes":
		m.sum = primes(i)
	case "mandelbrot":
		m.sum = mandelbrot(i)
	case "words":
		m.sum, err = words(ctx, state.set.Files[i%int64(len(state.set.Files))])
	case "matmul":
		m.sum = matmul(i)
	case "alloc":
		m.sum = alloc(i)
	case "counter":
		err = count(ctx, &m)
	case "tiny":
		m.sum = uint64(i) * uint64(i)
	default:
		err = fmt.Errorf("there is no workload %q", w)
	}
	m.duration = int64(time.Since(start))
	return m.encode(), err
})

// rounds is how often a task of counter takes the lock; each sixteenth time is looked at, which costs two looks at the clock.
const rounds = 1000

func count(ctx context.Context, m *mark) error {
	for n := range rounds {
		var before, locked time.Time
		if n%16 == 0 {
			before = time.Now()
		}
		if state.lock == nil {
			state.mutex.Lock()
			if n%16 == 0 {
				locked = time.Now()
			}
			state.count++
			m.sum++
			state.mutex.Unlock()
		} else {
			if err := state.lock.Lock(ctx); err != nil {
				return err
			}
			if n%16 == 0 {
				locked = time.Now()
			}
			err := errors.Join(state.counter.Update(ctx, func(v *int64) error { *v++; return nil }), state.lock.Unlock())
			if err != nil {
				return err
			}
			m.sum++
		}
		if n%16 == 0 {
			m.waited += int64(locked.Sub(before))
			m.samples += int64(time.Since(before))
		}
	}
	return nil
}

// echo sends back what it gets.
var echo = child.Register("compare/echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// long spins, and returns when it began.
var long = child.Register("compare/long", func(_ context.Context, rounds int64) (int64, error) {
	return int64(spin(rounds) & 1), nil
})

// probe returns when this process was loaded and set up, and when the task began.
var probe = child.Register("compare/probe", func(context.Context, int64) ([]int64, error) {
	now := time.Now()
	return []int64{loaded.UnixNano(), state.ready.UnixNano(), now.UnixNano(), int64(os.Getpid())}, nil
})

// gather waits until every worker is in it, so that each says what it knows of its heap exactly once.
var gather = child.Register("compare/gather", func(ctx context.Context, _ int64) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := state.gather.Wait(ctx); err != nil {
		return nil, err
	}
	return heap(), nil
})

// heap returns the process, its collections, the sum and the greatest of its stops in ns, and the bytes of live and of dead objects.
func heap() []int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	longest := uint64(0)
	for _, p := range m.PauseNs {
		longest = max(longest, p)
	}
	return []int64{int64(os.Getpid()), int64(m.NumGC), int64(m.PauseTotalNs), int64(longest), int64(m.HeapAlloc)}
}

// scalingSetup tells a worker of scaling's further pools what its work is.
var scalingSetup = child.Register("compare/scaling", func(_ context.Context, s Spec) (bool, error) {
	if child.Self().Worker >= 0 {
		state.set.Spec = s
	}
	return true, nil
})
