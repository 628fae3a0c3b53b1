package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A canvas collects the elements of one drawing.
type canvas struct {
	b    strings.Builder
	w, h float64
}

// n prints a coordinate with a tenth of a pixel.
func n(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.b, format, args...) }

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.add(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, n(x1), n(y1), n(x2), n(y2))
}

func (c *canvas) rect(class string, x, y, w, h float64, title string) {
	c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s">%s</rect>`, class, n(x), n(y), n(max(w, 0)), n(h), tip(title))
}

func (c *canvas) text(class string, x, y float64, text string) {
	c.add(`<text class="%s" x="%s" y="%s">%s</text>`, class, n(x), n(y), html.EscapeString(text))
}

func tip(title string) string {
	if title == "" {
		return ""
	}
	return "<title>" + html.EscapeString(title) + "</title>"
}

// shapes tell the arms apart without colour.
func (c *canvas) mark(class string, arm int, x, y, r float64, title string) {
	switch arm % 3 {
	case 0:
		c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s">%s</rect>`, class, n(x-r), n(y-r), n(2*r), n(2*r), tip(title))
	case 1:
		d := 1.35 * r
		c.add(`<path class="%s" d="M%s %sl%s %sl%s %sl%s %sz">%s</path>`, class, n(x), n(y-d), n(d), n(d), n(-d), n(d), n(-d), n(-d), tip(title))
	default:
		d := 1.25 * r
		c.add(`<path class="%s" d="M%s %sl%s %sh%sz">%s</path>`, class, n(x), n(y-d), n(d), n(2*d-1), n(-2*d), tip(title))
	}
}

// svg closes the drawing. What it shows is said to those who do not see it.
func (c *canvas) svg(label string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %s %s" role="img" aria-label="%s">%s</svg>`, //nolint:gosec // all text in it was escaped
		n(c.w), n(c.h), html.EscapeString(label), c.b.String()))
}

func legend(arm int) template.HTML {
	c := &canvas{w: 14, h: 14}
	c.mark(fill(arm), arm, 7, 7, 4.5, "")
	return template.HTML(`<svg class="key" viewBox="0 0 14 14" aria-hidden="true">` + c.b.String() + `</svg>`) //nolint:gosec // nothing from outside is in it
}

func fill(arm int) string { return "f" + strconv.Itoa(arm%3) }

func stroke(arm int) string { return "s" + strconv.Itoa(arm%3) }

// A scale maps values to pixels.
type scale struct {
	lo, hi, from, to float64
	log              bool
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, s.lo/10))
	}
	if hi == lo {
		return s.from
	}
	return s.from + (v-lo)/(hi-lo)*(s.to-s.from)
}

// linear makes a scale from 0 to a round number above hi.
func linear(hi, from, to float64) scale {
	if hi <= 0 || math.IsNaN(hi) || math.IsInf(hi, 0) {
		hi = 1
	}
	step := stepOf(hi)
	return scale{0, math.Ceil(hi/step) * step, from, to, false}
}

// logarithmic makes a scale with some room on both sides.
func logarithmic(lo, hi, from, to float64) scale {
	if lo <= 0 || hi <= 0 {
		lo, hi = 1, 10
	}
	return scale{lo / 1.25, hi * 1.25, from, to, true}
}

func stepOf(hi float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(hi)))
	for _, m := range []float64{0.2, 0.25, 0.5, 1, 2} {
		if hi/(m*power) <= 6 {
			return m * power
		}
	}
	return 2 * power
}

// ticks are round values within a scale.
func (s scale) ticks() []float64 {
	var out []float64
	if !s.log {
		step := stepOf(s.hi)
		for v := 0.0; v <= s.hi*1.0001; v += step {
			out = append(out, v)
		}
		return out
	}
	factors := []float64{1, 2, 5}
	if s.hi/s.lo > 200 {
		factors = []float64{1}
	}
	stride := max(1, int(math.Ceil(math.Log10(s.hi/s.lo)/7)))
	for e := int(math.Floor(math.Log10(s.lo))); float64(e) <= math.Log10(s.hi); e++ {
		for _, f := range factors {
			if v := f * math.Pow(10, float64(e)); v >= s.lo && v <= s.hi && (len(factors) > 1 || e%stride == 0) {
				out = append(out, v)
			}
		}
	}
	return out
}
