//go:build linux && !portable

package wire

import (
	"time"

	"golang.org/x/sys/unix"
)

// systemClock reads CLOCK_MONOTONIC, which is what Go's runtime reads, too.
func systemClock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return time.Now().UnixNano() // no kernel lacks it
	}
	return t.Nano()
}
