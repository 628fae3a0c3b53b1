package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Num prints a number with three significant digits, and thousands apart: "4 610", "0.0423", "1.25M".
func Num(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		if v == 0 {
			return "0"
		}
		return "-"
	}
	if math.Abs(v) >= 999_500 {
		return Num(v/1e6) + "M"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits > 0 {
		// What is rounded up to the next power of ten has a digit too many.
		if text := strconv.FormatFloat(v, 'f', digits, 64); significant(text) <= 3 {
			return text
		}
		return strconv.FormatFloat(v, 'f', digits-1, 64)
	}
	unit := math.Pow(10, float64(-digits))
	text := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	var groups []string
	for len(text) > 3 {
		groups = append([]string{text[len(text)-3:]}, groups...)
		text = text[:len(text)-3]
	}
	return sign + strings.Join(append([]string{text}, groups...), " ")
}

func significant(text string) int {
	return len(strings.TrimLeft(strings.ReplaceAll(strings.TrimPrefix(text, "-"), ".", ""), "0"))
}

// Exact prints a number that was chosen, not measured: 64, not 64.0.
func Exact(v float64) string {
	text := Num(v)
	number, million := strings.CutSuffix(text, "M")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if million {
		number += "M"
	}
	return number
}

// Percent prints a share as a percentage of two significant digits.
func Percent(share float64) string {
	p := share * 100
	switch abs := math.Abs(p); {
	case abs >= 9.95:
		return fmt.Sprintf("%.0f%%", p)
	default:
		return fmt.Sprintf("%.1f%%", p)
	}
}

// Change prints a ratio the way people speak of it: as a percentage up or down while it is small, else as a factor.
func Change(ratio float64) string {
	switch {
	case ratio <= 0:
		return "?"
	case ratio >= 0.5 && ratio < 1.1:
		text := Percent(ratio - 1)
		if ratio >= 1 {
			text = "+" + text
		}
		return text
	}
	return Num(ratio) + "x"
}

// PText prints a p-value.
func PText(p float64) string {
	switch {
	case p < 0.001:
		return "p<0.001"
	case p < 0.1:
		return fmt.Sprintf("p=%.3f", p)
	}
	return fmt.Sprintf("p=%.2f", p)
}

// String prints a summary: the median and the half-width of its interval.
func (s Summary) String() string {
	switch {
	case s.N == 0:
		return "-"
	case s.Open || s.Median == 0:
		return Num(s.Median)
	}
	return Num(s.Median) + " ±" + Percent(s.Spread())
}

// Short prints a difference in a few characters: "~" is no evidence of one, and what is in brackets is inside the noise.
func (d Difference) Short() string {
	switch d.Verdict {
	case None:
		return "~"
	case TooFew:
		return "too few"
	case InNoise:
		return "(" + Change(d.Ratio) + ")"
	}
	if d.Ratio == 0 {
		return d.Verdict
	}
	return Change(d.Ratio)
}

// Long adds how sure that is.
func (d Difference) Long(n int) string {
	switch d.Verdict {
	case InNoise:
		return fmt.Sprintf("%s inside noise of %s", d.Short(), Percent(d.Noise))
	case TooFew:
		return d.Short()
	}
	return fmt.Sprintf("%s (%s, n=%d)", d.Short(), PText(d.P), n)
}

// Duration prints nanoseconds.
func Duration(ns float64) string {
	switch {
	case ns < 1e3:
		return Exact(ns) + " ns"
	case ns < 1e6:
		return Exact(ns/1e3) + " us"
	case ns < 1e9:
		return Exact(ns/1e6) + " ms"
	}
	return Exact(ns/1e9) + " s"
}

// Bytes prints a size that is mostly a power of two.
func Bytes(n float64) string {
	switch {
	case n < 1<<10:
		return Exact(n) + " B"
	case n < 1<<20:
		return Exact(n/(1<<10)) + " KiB"
	}
	return Exact(n/(1<<20)) + " MiB"
}
