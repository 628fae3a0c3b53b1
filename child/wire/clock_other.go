//go:build !linux || portable

package wire

import "time"

func systemClock() int64 { return time.Now().UnixNano() }
