package wire

import (
	"sync"
	"time"
)

// clock ties Go's monotonic clock, which has no public zero, to the system's, which all processes of a boot share.
var clock = sync.OnceValue(func() (c struct {
	base time.Time
	at   int64
},
) {
	c.base = time.Now()
	c.at = systemClock()
	// The shortest of some tries: between the two readings this process may have slept.
	best := time.Since(c.base)
	for range 8 {
		base := time.Now()
		at := systemClock()
		if d := time.Since(base); d < best {
			best, c.base, c.at = d, base, at
		}
	}
	return c
})

// Clock returns a time in nanoseconds that means the same in all processes of this machine, to some 100 ns. On
// Linux it never goes back (CLOCK_MONOTONIC); elsewhere a process keeps to the wall clock as it was at the first call.
func Clock() int64 {
	c := clock()
	return c.at + int64(time.Since(c.base))
}
