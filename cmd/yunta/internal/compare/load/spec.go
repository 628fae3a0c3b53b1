package load

import "slices"

// A Spec is what one run is to do.
type Spec struct {
	Workload string   `json:"workload"`
	Model    string   `json:"model"` // process, goroutine or python
	Workers  int      `json:"workers"`
	Seed     uint64   `json:"seed"`
	Tasks    int      `json:"tasks"`  // of the throughput part
	Prefix   int      `json:"prefix"` // the first tasks, which Python does as well
	Calls    int      `json:"calls"`  // of the latency part
	Files    []string `json:"files,omitempty"`
	PerMicro float64  `json:"per_micro"` // rounds of spinning that take a microsecond
	Quick    bool     `json:"quick"`
	Fault    string   `json:"fault,omitempty"`
	Pin      bool     `json:"pin"`   // worker processes to a core each
	Lanes    bool     `json:"lanes"` // keep what each worker did when
}

// A Workload is one kind of work.
type Workload struct {
	Name  string
	About string
	Tasks int // of a full run; a quick one has a quarter
	Share int // Python does one task of so many
	Calls int // latencies measured
	Curve string
}

// Workloads are all there are.
var Workloads = []Workload{
	{"primes", "counts primes by trial division: nothing but arithmetic, in equal tasks", 2000, 20, 400, "scaling"},
	{"mandelbrot", "rows of the Mandelbrot set: arithmetic in very unequal tasks", 1200, 20, 400, ""},
	{"words", "counts the words of real files, one file a task, over and over", 1000, 10, 400, ""},
	{"matmul", "products of 96 by 96 matrices of integers", 600, 60, 400, ""},
	{"alloc", "builds and forgets trees of small objects: one large heap against one for each worker", 1000, 10, 400, ""},
	{"echo", "sends bytes to a worker and back: what it costs to cross, from 64 B to 16 MiB", 20000, 10, 400, "crossing"},
	{"counter", "every task takes one lock a thousand times to add to one number", 2000, 40, 400, ""},
	{"tiny", "tasks that do next to nothing, then tasks of growing length: what one task costs, and when that no longer matters", 200000, 20, 400, "length"},
	{"crash", "one task of twenty does something terrible: what is left of the other nineteen", 20, 1, 0, ""},
}

// Find returns the workload of that name.
func Find(name string) (Workload, bool) {
	i := slices.IndexFunc(Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return Workloads[i], true
}

// Spec returns what a run of the workload is to do, but for who does it.
func (w Workload) Spec(workers int, seed uint64, quick bool, files []string) Spec {
	s := Spec{Workload: w.Name, Workers: workers, Seed: seed, Tasks: w.Tasks, Calls: w.Calls, Quick: quick}
	if quick {
		s.Tasks, s.Calls = w.Tasks/4, w.Calls/4
	}
	switch w.Name {
	case "words":
		s.Files = files // again and again
	case "crash":
		s.Tasks = faultTasks
	}
	s.Prefix = max(s.Tasks/w.Share, min(s.Tasks, 1))
	return s
}

// Sizes are the messages of echo, in bytes.
func (s Spec) Sizes() []int {
	sizes := []int{64, 1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20}
	if s.Quick {
		return []int{64, 4 << 10, 256 << 10, 16 << 20}
	}
	return sizes
}

// Lengths are those of the tasks of tiny's curve, in nanoseconds.
func (s Spec) Lengths() []int64 {
	lengths := []int64{1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000}
	if s.Quick {
		return []int64{1_000, 10_000, 100_000, 1_000_000}
	}
	return lengths
}

// Counts are the numbers of workers that scaling is tried with: up to twice as many as there are to be.
func (s Spec) Counts() []int {
	counts := []int{1}
	for n := 2; n < s.Workers; n *= 2 {
		counts = append(counts, n)
	}
	if s.Workers > 1 {
		counts = append(counts, s.Workers)
	}
	return append(counts, 2*s.Workers)
}
