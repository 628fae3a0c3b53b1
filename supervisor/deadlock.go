package supervisor

import (
	"slices"
	"time"
)

// deadlockAge is how long all of a cycle must have waited: a waiter looks every
// 5 ms who owns the lock, so by then what each says of the other is of a time
// when both waited.
const deadlockAge = 100 * time.Millisecond

// Deadlock is a cycle of workers each of which waits for a lock that the next
// one owns, the last for one that the first owns.
type Deadlock []BoardWorker

// Deadlocks finds the cycles among the workers of boards that were read at the
// given time, the smallest process id first in each. A worker that waits for
// itself is one, too. They are certain for workers whose tasks use one goroutine:
// nothing but a kill, or the end of a wait's context, will free them. A task
// with several may yet unlock from another.
func Deadlocks(boards []Board, at time.Time) []Deadlock {
	waiting := make(map[int]BoardWorker)
	for _, b := range boards {
		for _, w := range b.Workers {
			if w.PID > 0 && w.WaitsFor != "" && w.Owner > 0 && at.Sub(w.Since) >= deadlockAge {
				waiting[w.PID] = w
			}
		}
	}
	var pids []int
	for pid := range waiting {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	var found []Deadlock
	seen := make(map[int]bool)
	for _, start := range pids {
		// Each waits for one other, so from any of them there is one way to go, which
		// comes to an end or into a circle.
		var way []int
		for pid := start; !seen[pid]; pid = waiting[pid].Owner {
			if _, ok := waiting[pid]; !ok {
				break
			}
			seen[pid] = true
			way = append(way, pid)
		}
		if len(way) == 0 {
			continue
		}
		i := slices.Index(way, waiting[way[len(way)-1]].Owner)
		if i < 0 {
			continue
		}
		cycle := way[i:]
		first := slices.Index(cycle, slices.Min(cycle))
		var d Deadlock
		for k := range cycle {
			d = append(d, waiting[cycle[(first+k)%len(cycle)]])
		}
		found = append(found, d)
	}
	return found
}
