package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yunta/cmd/yunta/internal/compare"
	"yunta/supervisor"
)

// measure asks every process for its heap, and reads what memory each holds in one sweep: a worker's share of common pages changes
// as others come and go.
func (h *host) measure(ctx context.Context) error {
	heaps, err := supervisor.Map(ctx, h.pool.With(supervisor.CallOptions{ChunkSize: 1}), gather, indexes(h.spec.Workers))
	if err != nil {
		return err
	}
	own := heap()
	seen := map[int64][]int64{own[0]: own}
	names := map[int64]string{own[0]: "parent"}
	pids := []int64{own[0]}
	for _, w := range h.pool.Workers() {
		if _, found := names[int64(w.PID)]; !found {
			names[int64(w.PID)] = fmt.Sprintf("worker %d", w.Worker)
			pids = append(pids, int64(w.PID))
		}
	}
	for _, v := range heaps {
		seen[v[0]] = v
	}
	m := h.out.Run.Metrics
	var pss, rss int64
	for _, pid := range pids {
		r := compare.Reading{Who: names[pid]}
		if v := seen[pid]; len(v) == 5 {
			r.Heap = v[4]
		}
		r.PSS, r.RSS = rollup(pid)
		pss, rss = pss+r.PSS, rss+r.RSS
		h.out.Run.Memory = append(h.out.Run.Memory, r)
	}
	if pss > 0 { // other systems have no such thing
		m["pss"], m["rss"] = float64(pss)/1e6, float64(rss)/1e6
	}
	for _, v := range seen {
		m["gc_cycles"] += float64(v[1])
		m["gc_pause"] += float64(v[2]) / 1e6
		m["gc_max"] = max(m["gc_max"], float64(v[3])/1e6)
	}
	return nil
}

// rollup returns the proportional and the whole resident size of a process in bytes, 0 where the system does not tell.
func rollup(pid int64) (pss, rss int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "Pss:":
			pss = kib << 10
		case "Rss:":
			rss = kib << 10
		}
	}
	return pss, rss
}

// latency makes single calls, one in flight for every worker, and times each from call to result.
func (h *host) latency(ctx context.Context) error {
	s := h.spec
	if s.Calls == 0 {
		return nil
	}
	took := make([]float64, s.Calls)
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, s.Workers)
	b := message(1 << 10)
	for range s.Workers {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(s.Calls) {
					return
				}
				var err error
				began := time.Now()
				if s.Workload == "echo" {
					_, err = supervisor.Apply(ctx, h.pool, echo, b)
				} else {
					_, err = supervisor.Apply(ctx, h.pool, task, i)
				}
				took[i] = ms(time.Since(began))
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	slices.Sort(took)
	for _, q := range compare.Quantiles {
		h.out.Run.Latency = append(h.out.Run.Latency, quantile(took, q))
	}
	m := h.out.Run.Metrics
	m["p50"], m["p99"], m["max"] = quantile(took, 50), quantile(took, 99), took[len(took)-1]
	return nil
}

// quantile returns the value that q percent of the sorted ones do not exceed (nearest rank).
func quantile(sorted []float64, q float64) float64 {
	i := int(q/100*float64(len(sorted)) + 0.999999)
	return sorted[min(max(i-1, 0), len(sorted)-1)]
}

// lanes sorts the tasks by worker, and keeps when each ran.
func (h *host) lanes(marks []mark, began int64) []compare.Lane {
	// More than a page can show.
	most := 5000 / max(h.spec.Workers, 1)
	sorted := slices.Clone(marks)
	slices.SortFunc(sorted, func(a, b mark) int { return int(min(max(a.start-b.start, -1), 1)) })
	var out []compare.Lane
	ends := map[int64]int64{}
	at := map[int64]int{}
	for _, m := range sorted {
		i, found := at[m.lane]
		if !found {
			i = len(out)
			at[m.lane] = i
			out = append(out, compare.Lane{Name: fmt.Sprintf("worker %d", m.lane)})
		}
		l := &out[i]
		if len(l.Spans) >= 2*most {
			l.Left++
			continue
		}
		start := max((m.start-began)/1000, ends[m.lane])
		end := max((m.start+m.duration-began)/1000, start)
		l.Spans = append(l.Spans, start-ends[m.lane], end-start)
		ends[m.lane] = end
	}
	slices.SortFunc(out, func(a, b compare.Lane) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// collect makes every part of a run begin with a clean heap.
func collect() { debug.FreeOSMemory() }
