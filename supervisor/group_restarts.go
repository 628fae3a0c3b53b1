package supervisor

import (
	"fmt"
	"math"
	"time"
)

// Backoff says how long a [Group] waits before it restarts a child that failed
// several times in a row. The zero value restarts at once, as Erlang does:
// then only the intensity bounds the restarts. With delays, the intensity
// should be larger than the number of restarts that they leave room for in a
// period, or be what ends the group.
type Backoff struct {
	// Min is the delay before the first restart; 0 means no delay, ever.
	Min time.Duration
	// Max bounds the delay, which doubles with each failure; 0 means 32 times Min.
	Max time.Duration
	// Jitter is the greatest part of a delay that chance takes off, so that
	// children that failed together do not come back together; 0 means a half,
	// NoJitter nothing.
	Jitter float64
	// Reset is how long a child must have been ready for its failures to be
	// forgotten; 0 means Max, and at least the group's Period.
	Reset time.Duration
}

// NoJitter makes, as a [Backoff]'s Jitter, the delays exact.
const NoJitter = -1.0

func (b Backoff) withDefaults(period time.Duration) (Backoff, error) {
	switch {
	case b.Min < 0:
		return b, fmt.Errorf("supervisor: Backoff.Min is %v, must not be negative", b.Min)
	case b.Max < 0 || b.Max > 0 && b.Max < b.Min:
		return b, fmt.Errorf("supervisor: Backoff.Max is %v, must be at least Min, which is %v", b.Max, b.Min)
	case b.Jitter != NoJitter && !(b.Jitter >= 0 && b.Jitter <= 1):
		return b, fmt.Errorf("supervisor: Backoff.Jitter is %v, must be between 0 and 1", b.Jitter)
	case b.Reset < 0:
		return b, fmt.Errorf("supervisor: Backoff.Reset is %v, must not be negative", b.Reset)
	}
	if b.Max == 0 {
		b.Max = 32 * b.Min
		if b.Max/32 != b.Min {
			b.Max = math.MaxInt64
		}
	}
	switch b.Jitter {
	case 0:
		b.Jitter = 0.5
	case NoJitter:
		b.Jitter = 0
	}
	if b.Reset == 0 {
		b.Reset = max(b.Max, period)
	}
	return b, nil
}

// delay is the wait before the restart that follows so many failures in a row,
// from 1; chance is in [0, 1).
func (b *Backoff) delay(failures int, chance float64) time.Duration {
	d := b.Min
	for range failures - 1 {
		if d > b.Max/2 {
			d = b.Max
			break
		}
		d *= 2
	}
	return d - time.Duration(float64(d)*b.Jitter*chance)
}

// heart decides whether a child has missed its heartbeat.
type heart struct {
	limit time.Duration
	due   time.Time // of the next check
}

// begin returns when to check first.
func (h *heart) begin(now time.Time) time.Duration {
	h.due = now.Add(h.limit)
	return h.limit
}

// check returns how long the child has been quiet, and when to check again: 0
// if it was for too long.
func (h *heart) check(now, last time.Time) (quiet, next time.Duration) {
	quiet = now.Sub(last)
	next = h.limit - quiet
	if next <= 0 {
		if now.Sub(h.due) <= h.limit/2 {
			return quiet, 0
		}
		// This program did not run itself, being stopped or starved, and has not
		// heard what the child said meanwhile.
		next = h.limit
	}
	h.due = now.Add(next)
	return quiet, next
}

// restartWindow remembers the failures that led to restarts within the period.
type restartWindow struct {
	intensity int
	period    time.Duration
	at        []time.Time
	failures  []*ChildError
}

// keptFailures bounds what an IntensityError tells: each may hold kilobytes of
// standard error.
const keptFailures = 16

// exceeded notes a restart and reports whether it is one too many. A restart
// that is exactly a period old still counts, as it does in Erlang.
func (w *restartWindow) exceeded(now time.Time, e *ChildError) bool {
	old := 0
	for old < len(w.at) && now.Sub(w.at[old]) > w.period {
		old++
	}
	w.at = append(w.at[old:], now)
	w.failures = append(w.failures, e)
	w.failures = w.failures[max(0, len(w.failures)-min(len(w.at), keptFailures)):]
	return len(w.at) > w.intensity
}
