package top

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// hertz is USER_HZ, in which the kernel counts time in /proc: 100 on all that Go runs on.
const hertz = 100

// processOf reads /proc/PID/stat (proc(5)).
func processOf(pid int) (p process, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, false
	}
	// The name stands in brackets and may hold any character, brackets too.
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return p, false
	}
	f := strings.Fields(string(data[end+1:])) // f[0] is field 3
	if len(f) < 37 {
		return p, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(f[field-3], 10, 64)
		return n
	}
	p.command = printable(string(data[open+1 : end]))
	p.state, p.parent = f[0][0], int(number(4))
	p.used = time.Duration(number(14)+number(15)) * time.Second / hertz
	p.begun = uint64(number(22))
	p.rss = number(24) * int64(os.Getpagesize())
	p.cpu = int(number(39))
	if up := uptime(); up > 0 {
		p.age = up - time.Duration(p.begun)*time.Second/hertz
	}
	return p, true
}

func uptime() time.Duration {
	data, _ := os.ReadFile("/proc/uptime")
	first, _, _ := strings.Cut(string(data), " ")
	seconds, _ := strconv.ParseFloat(first, 64)
	return time.Duration(seconds * float64(time.Second))
}

// pssOf reads the proportional set size (Linux 4.14), -1 where that is not allowed.
func pssOf(pid int) int64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return -1
			}
			return kib << 10
		}
	}
	return -1
}

// known says whether the system tells of processes at all.
const known = true
