// Package comparetest makes comparisons that never ran, for tests of how they are shown.
package comparetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"yunta/cmd/yunta/internal/compare"
)

// Sample returns a comparison of three models by three workloads, the same for the same seed. Its first workload has so many tasks on
// the timelines of its two workers.
func Sample(seed uint64, tasks int) *compare.Report {
	random := rand.New(rand.NewPCG(seed, seed))
	r := &compare.Report{
		Version: compare.Version, Title: "yunta compare primes alloc crash", Seed: seed, Runs: 12, Warmup: 1, Workers: 2,
		Created: time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC),
		Machine: compare.Machine{
			System: "linux/amd64", Processor: "Example 9000", CPUs: 2, SMT: "no", Virtual: "virtual machine", Governor: "unknown",
			Kernel: "6.18.0", Go: "go1.26.8", Python: "3.11.7", LoadStart: 0.3, LoadEnd: 1.9, Steal: 0.01,
		},
		Arms: []compare.Arm{
			{Key: "process", Name: "process"},
			{Key: "goroutine", Name: "goroutine"},
			{Key: "python", Name: "python mp"},
			{Key: "goroutine-again", Name: "goroutine again", Same: "goroutine"},
		},
		Warnings: []string{"In 1 of 84 runs other programs used more than 0.3 of a processor (0.8 in the middle)."},
	}
	rates := map[string][]float64{"primes": {4610, 4870, 302, 4870}, "alloc": {2400, 1700, 140, 1700}}
	for _, name := range []string{"primes", "alloc"} {
		w := &compare.Workload{Name: name, About: "a workload that was made up", Tasks: tasks, Checksum: "0123456789abcdef"}
		if name == "primes" {
			w.Curve = &compare.Axes{Kind: "scaling", X: "workers", Y: "tasks per second", High: true}
		} else {
			w.Curve = &compare.Axes{Kind: "length", X: "task length", Y: "us of a worker's time for each task"}
		}
		for order := range 42 {
			arm := order % 4
			if arm == 3 && order > 24 {
				arm = order % 3
			}
			run := made(random, r.Arms[arm].Key, order, rates[name][arm])
			if name == "primes" {
				for _, n := range []float64{1, 2, 4} {
					run.Curve = append(run.Curve, compare.Point{X: n, Y: rates[name][arm] * min(n, 2) / 2 * noise(random)})
				}
			} else if arm != 2 {
				for _, ns := range []float64{1e3, 1e5, 1e7} {
					extra := 0.0
					if arm == 0 {
						extra = 20
					}
					run.Curve = append(run.Curve, compare.Point{X: ns, Y: (ns/1e3 + extra) * noise(random)})
				}
			}
			if name == "primes" && arm < 2 {
				run.Lanes = lanes(random, tasks)
			}
			w.Runs = append(w.Runs, run)
		}
		r.Workloads = append(r.Workloads, w)
	}
	crash := &compare.Workload{Name: "crash", About: "faults that never happened", Tasks: 20, Runs: []*compare.Run{}}
	outcomes := map[string][]string{"panic": {"contained", "contained", "contained"}, "kill": {"contained", "lost", "hung"}, "hang": {"contained", "leaked", "skipped"}}
	for _, fault := range []string{"panic", "kill", "hang"} {
		for i, arm := range r.Shown() {
			f := compare.Fault{Fault: fault, Arm: arm.Key, Tasks: 20, Done: 19, Outcome: outcomes[fault][i], Detail: "signal: killed", Seconds: 0.2}
			if f.Outcome == "lost" {
				f.Done = 0
			}
			crash.Faults = append(crash.Faults, f)
		}
	}
	r.Workloads = append(r.Workloads, crash)
	r.Analyze()
	for _, w := range r.Workloads {
		kept := map[*compare.Run]bool{}
		for _, arm := range r.Shown() {
			kept[w.MedianRun(arm.Key)] = true
		}
		for _, run := range w.Runs {
			if !kept[run] {
				run.Lanes = nil
			}
		}
	}
	return r
}

func noise(random *rand.Rand) float64 { return math.Exp(0.02 * random.NormFloat64()) }

func made(random *rand.Rand, arm string, order int, rate float64) *compare.Run {
	run := &compare.Run{Arm: arm, Order: order, Load: 0.05}
	if order == 8 {
		run.Load = 0.8
	}
	ready, pss := 0.05, 14.0
	switch arm {
	case "process":
		ready, pss = 6.1, 21
	case "python":
		ready, pss = 71, 38
	}
	p50 := 2000 / rate
	run.Metrics = map[string]float64{
		"throughput": rate * noise(random), "p50": p50 * noise(random), "p99": 3 * p50 * noise(random), "max": 9 * p50 * noise(random),
		"ready": ready * noise(random), "pss": pss * noise(random), "rss": 1.7 * pss * noise(random), "cpu": 2 * noise(random),
	}
	for i := range compare.Quantiles {
		run.Latency = append(run.Latency, p50*float64(i+1)/4*noise(random))
	}
	if arm != "python" {
		run.Metrics["gc_pause"], run.Metrics["gc_cycles"] = 0.2*noise(random), 5
		run.Start = []compare.Step{{Name: "fork, exec, Go runtime", MS: ready * 0.6}, {Name: "handshake, set up", MS: ready * 0.4}}
	}
	for i, who := range []string{"parent", "worker 0", "worker 1"} {
		run.Memory = append(run.Memory, compare.Reading{Who: who, PSS: int64(pss * 1e6 / 3), RSS: int64(pss * 1e6 / 2), Heap: int64(i) * 1e6})
	}
	return run
}

func lanes(random *rand.Rand, tasks int) []compare.Lane {
	out := make([]compare.Lane, 2)
	for i := range out {
		out[i].Name = fmt.Sprintf("worker %d", i)
		for range tasks / 4 { // two workers of two models
			out[i].Spans = append(out[i].Spans, random.Int64N(40), 300+random.Int64N(200))
		}
	}
	return out
}
