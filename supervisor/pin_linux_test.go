//go:build linux && !portable

package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/supervisor"
)

// placed is what a worker knows of where it runs.
type placed struct {
	Worker   int
	Mask     string // of all its threads, as the kernel has them; "" if they differ
	Known    []int  // as child.Self has it
	MaxProcs int
	Variable string // GOMAXPROCS in its environment
}

var place = child.Register("place", func(context.Context, int) (placed, error) {
	p := placed{Worker: child.Self().Worker, Known: child.Self().CPUs, MaxProcs: runtime.GOMAXPROCS(0), Variable: os.Getenv("GOMAXPROCS")}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return p, err
	}
	masks := make(map[string]bool)
	for _, th := range threads {
		status, err := os.ReadFile("/proc/self/task/" + th.Name() + "/status")
		if err != nil {
			continue // ended meanwhile
		}
		for line := range strings.Lines(string(status)) {
			if v, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				p.Mask = strings.TrimSpace(v)
				masks[p.Mask] = true
			}
		}
	}
	if len(masks) != 1 {
		p.Mask = ""
	}
	return p, nil
})

// places asks every worker of a pool.
func places(t *testing.T, p *supervisor.Pool) (out map[int]placed) {
	t.Helper()
	waitFor(t, "all workers", func() bool { return idle(p) == len(p.Workers()) })
	out = make(map[int]placed)
	for _, w := range p.Workers() {
		waitFor(t, fmt.Sprintf("worker %d to be asked", w.Worker), func() bool {
			if _, asked := out[w.Worker]; asked {
				return true
			}
			got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), place, ints(10))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range got {
				out[at.Worker] = at
			}
			return false
		})
	}
	return out
}

func usableCPUs(t *testing.T) []int {
	t.Helper()
	all, err := affinity.Usable()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// With PinAuto each worker has one core for itself, and GOMAXPROCS follows.
func TestPinAuto(t *testing.T) {
	t.Parallel()
	all := usableCPUs(t)
	p := newPool(t, supervisor.PoolOptions{Processes: len(all)})
	var cores []string
	for i, at := range places(t, p) {
		if at.MaxProcs != 1 || len(at.Known) != 1 || at.Mask != fmt.Sprint(at.Known[0]) || at.Variable != "" {
			t.Errorf("worker %d: %+v", i, at)
		}
		cores = append(cores, at.Mask)
	}
	slices.Sort(cores)
	if len(slices.Compact(cores)) != len(all) {
		t.Errorf("%d workers on cores %v", len(all), cores)
	}
	for _, w := range p.Workers() {
		if len(w.CPUs) != 1 || !slices.Contains(all, w.CPUs[0]) {
			t.Errorf("Workers says %v of worker %d", w.CPUs, w.Worker)
		}
	}
	// More workers than cores are not pinned, and neither is anything here.
	q := newPool(t, supervisor.PoolOptions{Processes: len(all) + 1})
	for i, at := range places(t, q) {
		if at.Known != nil || at.Mask != affinity.FormatList(all) || at.MaxProcs != min(len(all), supervisor.CPUCount()) {
			t.Errorf("one more worker than cores: worker %d: %+v", i, at)
		}
	}
	if now := usableCPUs(t); !slices.Equal(now, all) {
		t.Errorf("this process may use %v, could use %v", now, all)
	}
}

// A worker that replaces another takes its core.
func TestPinReplacement(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	before := places(t, p)[0]
	supervisor.Apply(testContext(t), p, exit, 1)
	waitFor(t, "the replacement", func() bool { return idle(p) == 1 && p.Workers()[0].Incarnation == 2 })
	if after := places(t, p)[0]; after.Mask != before.Mask || after.MaxProcs != before.MaxProcs {
		t.Errorf("was %+v, is %+v", before, after)
	}
}

func TestPinPolicies(t *testing.T) {
	t.Parallel()
	all := usableCPUs(t)
	last := all[len(all)-1]
	for _, tt := range []struct {
		name string
		pin  supervisor.Pin
		n    int
		want func(worker int) []int // nil for any one core
	}{
		{"none", supervisor.PinNone, 2, func(int) []int { return all }},
		{"cores", supervisor.PinCores, len(all) + 1, func(int) []int { return nil }},
		{"sets", supervisor.PinSets([]int{last}, all), 3, func(i int) []int { return [][]int{{last}, all}[i%2] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, supervisor.PoolOptions{Processes: tt.n, Pin: tt.pin})
			for i, at := range places(t, p) {
				want := tt.want(i)
				if want == nil {
					if len(at.Known) != 1 || at.MaxProcs != 1 || at.Mask != fmt.Sprint(at.Known[0]) {
						t.Errorf("worker %d: %+v, want one core", i, at)
					}
				} else if at.Mask != affinity.FormatList(want) || at.MaxProcs != min(len(want), supervisor.CPUCount()) {
					t.Errorf("worker %d: %+v, want cores %v", i, at, want)
				}
			}
		})
	}
	for name, pin := range map[string]supervisor.Pin{
		"no such CPU": supervisor.PinSets([]int{8000}), "partly none": supervisor.PinSets(append([]int{8000}, all...)),
		"negative": supervisor.PinSets([]int{-1}), "empty": supervisor.PinSets([]int{}), "no sets": supervisor.PinSets(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 2, Pin: pin})
			if err == nil {
				p.Terminate()
				p.Wait(testContext(t))
			}
			if err == nil {
				t.Error("no error")
			} else {
				t.Log(err)
			}
		})
	}
}

// Under a restricted mask the default pool has a worker for each core of it.
func TestPain20RestrictedMask(t *testing.T) {
	t.Parallel()
	all := usableCPUs(t)
	for n := 1; n <= min(2, len(all)); n++ {
		p := command(t, cpuCount)
		started := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with its mask
			err := affinity.SetThread(all[:n])
			if err == nil {
				p.start()
			}
			started <- err
		}()
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		want := min(n, supervisor.CPUCount())
		if got := p.say("count"); got != fmt.Sprint(want, want, want) {
			t.Errorf("under a mask of %d cores: CPUCount and the sizes of default pools are %s", n, got)
		}
		if status := p.wait(); status != 0 {
			t.Errorf("exit status %d; stderr:\n%s", status, p.stderr.String())
		}
	}
}
