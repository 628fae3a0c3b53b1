package ipc

import (
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// spinMisses is how many looks in vain double the number of those that are left out after them, at most 2^that.
	spinMisses = 8
)

// spinners is how many goroutines of this process look again and again. There is always a processor left for the
// others: a goroutine that looks keeps its own, and nobody would ask the kernel for those who wait.
var spinners atomic.Int32

// connSpin is the state of a Conn that looks for a while before it sleeps.
type connSpin struct {
	limit  time.Duration
	misses uint // looks in vain, in a row
	skip   int  // how many are left out
}

// SetSpin has calls that receive look for a message as long as limit before they sleep, 0 for not at all, which is the
// default. Where an answer is sooner there than a sleeper is woken, which takes 5 to 20 us, that makes a round trip two or
// three times as fast, for the time of a processor. Looks in vain make them rarer, and one processor of those that this
// process may use is always left alone: with GOMAXPROCS=1 there is no looking.
func (c *Conn) SetSpin(limit time.Duration) {
	c.rmu.Lock()
	c.in.spin = connSpin{limit: limit}
	c.release()
}

// spun looks until there is something, or the time is over. It reports what tryRead would.
func (c *Conn) spun(fd uintptr) bool {
	s := &c.in.spin
	if s.skip > 0 {
		s.skip--
		return false
	}
	if spinners.Add(1) >= int32(runtime.GOMAXPROCS(0)) {
		spinners.Add(-1)
		return false
	}
	defer spinners.Add(-1)
	r := &c.in
	for start := time.Now(); ; {
		giveWay()
		r.n, r.got, r.bad = r.sys.read(int(fd), c.kind, r.dst)
		there := !errors.Is(r.bad, syscall.EAGAIN)
		over := time.Since(start) >= s.limit
		if there && !over {
			s.misses = 0
			return true
		}
		if there || over || c.closed.Load() {
			// Others wanted the processor, or there is nothing: sleeping is cheaper.
			s.misses = min(s.misses+1, spinMisses)
			s.skip = 1<<s.misses - 2
			return there
		}
	}
}
