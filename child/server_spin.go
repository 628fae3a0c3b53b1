package child

import "time"

// spin watches the bell for a moment before the caller blocks, if a core is free for it.
func (s *server) spin() {
	// Before its first task a worker leaves the core to the supervisor, which has
	// yet to hear of it while its other workers start; and after many chunks to
	// whoever sends the next ones, for then there is a supply that came to a halt.
	many := s.ran > spinAfter
	s.ran = 0
	if many || s.done+s.failed == 0 || s.shared.SpinMax.Load() == 0 || (s.misses > 8 && s.misses%16 != 0) {
		s.misses++
		return
	}
	seen := s.bell.Sent.Load()
	if !s.enterSpin() {
		return
	}
	defer s.leaveSpin()
	start := time.Now()
	for i := 1; ; i++ {
		if s.bell.Sent.Load() != seen {
			s.misses = 0
			return
		}
		if i%64 == 0 && time.Since(start) > spinFor {
			s.misses++
			return
		}
	}
}

func (s *server) enterSpin() bool {
	for {
		n := s.shared.Spinners.Load()
		if n >= s.shared.SpinMax.Load() {
			return false
		}
		s.bell.Spinning.Store(1) // first: the supervisor takes back the count of one that dies
		if s.shared.Spinners.CompareAndSwap(n, n+1) {
			return true
		}
		s.bell.Spinning.Store(0)
	}
}

func (s *server) leaveSpin() {
	s.bell.Spinning.Store(0)
	s.shared.Spinners.Add(-1)
}
