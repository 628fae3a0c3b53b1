// Package machine asks the system how busy it is.
package machine

import (
	"fmt"
	"strconv"
	"strings"
)

// Load is the number of processes that ran or waited to, on average of the last minute (getloadavg(3)).
func Load() (float64, error) { return load() }

// Free is how many bytes of memory new programs can have without swapping.
func Free() (int64, error) { return free() }

// ParseBytes reads a number of bytes with a suffix as GNU parallel has them: k, m, g, t, p for powers of 1000, K, M, G, T, P for powers of
// 1024, each perhaps followed by i, b or B.
func ParseBytes(s string) (int64, error) {
	digits := strings.TrimRight(s, "kKmMgGtTpPiIbB")
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f < 0 && digits != "-1" && !strings.HasPrefix(digits, "-") {
		return 0, fmt.Errorf("%q is not a number of bytes such as 10M", s)
	}
	suffix := strings.TrimSuffix(strings.TrimRight(s[len(digits):], "bB"), "i")
	if len(suffix) > 1 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 10M", s)
	}
	if suffix != "" {
		base := 1000.0
		lower := strings.ToLower(suffix)
		if lower != suffix {
			base = 1024
		}
		for range strings.Index("kmgtp", lower) + 1 {
			f *= base
		}
	}
	if f > 1<<62 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return int64(f), nil
}
