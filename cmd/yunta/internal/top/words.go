package top

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// printable replaces what a terminal might obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// age writes a duration in at most five characters.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02d", int(d.Minutes()), int(d.Seconds())%60)
	case d < 100*time.Hour:
		return fmt.Sprintf("%dh%02d", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// size writes a number of bytes in at most five characters.
func size(n int64) string {
	if n < 0 {
		return "?"
	}
	f, unit := float64(n)/1024, "K"
	for _, next := range []string{"M", "G", "T"} {
		if f < 1000 {
			break
		}
		f, unit = f/1024, next
	}
	if f < 10 {
		return fmt.Sprintf("%.1f%s", f, unit)
	}
	return fmt.Sprintf("%.0f%s", f, unit)
}

// count writes a number in at most five characters.
func count(n uint64) string {
	switch {
	case n < 100_000:
		return strconv.FormatUint(n, 10)
	case n < 10_000_000:
		return strconv.FormatUint(n/1000, 10) + "k"
	case n < 10_000_000_000:
		return strconv.FormatUint(n/1_000_000, 10) + "M"
	}
	return strconv.FormatUint(n/1_000_000_000, 10) + "G"
}

func percent(f float64) string {
	if f < 0 {
		return "?"
	}
	return fmt.Sprintf("%.0f", f)
}

// lockName is the last part of a lock's path.
func lockName(s string) string { return path.Base(s) }

// fit makes s exactly width columns wide; what is too long ends in more.
func fit(s string, width int, right bool, more string) string {
	if width <= 0 {
		return ""
	}
	if runewidth.StringWidth(s) > width {
		s = runewidth.Truncate(s, width, more)
	}
	pad := strings.Repeat(" ", max(0, width-runewidth.StringWidth(s)))
	if right {
		return pad + s
	}
	return s + pad
}
