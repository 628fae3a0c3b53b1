package child

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// Shares of a memory limit.
const (
	// hardWork of it: from there on the garbage collector works harder.
	hardWorkNum, hardWorkDen = 9, 10
	// replace of it: a process that still holds as much after a collection is
	// replaced between two tasks. The quarter above is for the next task.
	replaceNum, replaceDen = 3, 4
)

// Tunables of the watch.
const (
	// memoryPace is how often a process looks at its memory, at most: a look
	// costs a system call.
	memoryPace = time.Millisecond
	// memoryShare bounds the time that collections for a better look may take:
	// one that took a millisecond is followed by twenty without.
	memoryShare = 20
)

// limitPace is how often a process with a memory limit looks whether it is
// beyond it: filling 10 MiB takes longer.
const limitPace = 2 * time.Millisecond

// limitMemory makes the garbage collector work harder near the limit and
// allocations beyond it fail, and ends the process when it holds more.
func (s *server) limitMemory() error {
	limit := s.config.MemoryLimit
	if limit <= 0 {
		return nil
	}
	s.memory.limit = limit
	debug.SetMemoryLimit(limit / hardWorkDen * hardWorkNum)
	go func() {
		for range time.Tick(limitPace) {
			if held, ok := residentMemory(); ok && held > limit {
				fmt.Fprintf(os.Stderr, "yunta: %s: out of memory: it holds %d bytes, the limit is %d\n", s.who(), held, limit)
				os.Exit(exitMemory)
			}
		}
	}()
	return limitAllocations(limit)
}

// memoryWatch decides when a process with a memory limit has to be replaced.
// It belongs to the serving goroutine.
type memoryWatch struct {
	limit int64 // bytes, 0 for none
	next  time.Duration
}

// full reports whether the process holds so much that it should be replaced.
// It is asked after each task.
func (m *memoryWatch) full() bool {
	if m.limit == 0 {
		return false
	}
	at := now()
	if at < m.next {
		return false
	}
	m.next = at + memoryPace
	most := m.limit / replaceDen * replaceNum
	if held, ok := residentMemory(); !ok || held <= most {
		return false
	}
	debug.FreeOSMemory() // what is garbage does not count
	after := now()
	m.next = after + max(memoryPace, memoryShare*(after-at))
	held, ok := residentMemory()
	return ok && held > most
}
