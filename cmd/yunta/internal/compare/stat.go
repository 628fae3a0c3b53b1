package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// confidence of all intervals, and alpha of all tests.
const (
	confidence = 0.95
	alpha      = 1 - confidence
)

// A Summary is the median of a sample and where the median of the distribution lies with 95 % confidence. Too few values give no
// interval: Lo and Hi are then the least and the greatest, and Open is set.
type Summary struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	Open   bool    `json:"open,omitempty"`
}

// Summarize does not change values.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{Open: true}
	}
	sample := newSample(values)
	s := benchmath.AssumeNothing.Summary(sample, confidence)
	out := Summary{N: len(values), Median: s.Center, Lo: s.Lo, Hi: s.Hi}
	if math.IsInf(out.Lo, 0) || math.IsInf(out.Hi, 0) {
		out.Lo, out.Hi, out.Open = sample.Values[0], sample.Values[len(values)-1], true
	}
	return out
}

// Spread is the half-width of the interval as a share of the median.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return max(s.Hi-s.Median, s.Median-s.Lo) / math.Abs(s.Median)
}

func newSample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// A Difference is what two samples say about a over b.
type Difference struct {
	Ratio   float64 `json:"ratio"` // a/b: the median of the ratios of all pairs; 0 if there is none
	Lo      float64 `json:"lo"`    // of the 95 % interval of the ratio
	Hi      float64 `json:"hi"`
	P       float64 `json:"p"` // of the Mann-Whitney U test, two-sided
	Noise   float64 `json:"noise"`
	Verdict string  `json:"verdict"`
}

// Verdicts of a Difference.
const (
	Higher  = "higher"
	Lower   = "lower"
	None    = "none"  // no evidence of a difference
	InNoise = "noise" // one no larger than that between two series of the same thing
	TooFew  = "few"   // too few runs to tell
)

// Real reports whether there is a difference to be spoken of.
func (d Difference) Real() bool { return d.Verdict == Higher || d.Verdict == Lower }

// Compare says how a differs from b. Noise is the difference, as a share, that the same thing shows against itself; smaller ones are
// not believed.
func Compare(a, b []float64, noise float64) Difference {
	d := Difference{P: 1, Noise: noise, Verdict: TooFew}
	if len(a) == 0 || len(b) == 0 {
		return d
	}
	d.Ratio, d.Lo, d.Hi = Ratio(a, b)
	c := benchmath.AssumeNothing.Compare(newSample(a), newSample(b))
	d.P = c.P
	switch {
	case c.P >= alpha && len(c.Warnings) > 0 && (len(a) < 4 || len(b) < 4):
		d.Verdict = TooFew
	case c.P >= alpha:
		d.Verdict = None
	case math.Abs(d.Ratio-1) <= noise && d.Ratio > 0:
		d.Verdict = InNoise
	case d.Ratio > 0 && d.Ratio < 1, d.Ratio == 0 && Summarize(a).Median < Summarize(b).Median:
		d.Verdict = Lower
	default:
		d.Verdict = Higher
	}
	return d
}

// Ratio returns the median of all ratios of a value of a to one of b (Hodges and Lehmann 1963), and the interval of those ratios that
// the U test at 5 % does not refuse. Where b has values that are not above 0 there is no ratio, and all three are 0. With so few values
// that no interval can be had at that level it is that of all ratios.
func Ratio(a, b []float64) (ratio, lo, hi float64) {
	ratios := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if y <= 0 || x <= 0 {
				return 0, 0, 0
			}
			ratios = append(ratios, x/y)
		}
	}
	if len(ratios) == 0 {
		return 0, 0, 0
	}
	slices.Sort(ratios)
	n := len(ratios)
	ratio = (ratios[(n-1)/2] + ratios[n/2]) / 2
	k := critical(len(a), len(b))
	return ratio, ratios[k], ratios[n-1-k]
}

// critical returns how many of the ordered pairs lie outside of the interval at each end: the greatest c for which the chance of a U
// below c is at most alpha/2.
func critical(n, m int) int {
	most := (n*m - 1) / 2
	if n+m > 2*stats.MannWhitneyExactLimit {
		// The normal approximation, as the test itself uses it there.
		nm := float64(n) * float64(m)
		return min(max(int(nm/2-1.959964*math.Sqrt(nm*float64(n+m+1)/12)), 0), most)
	}
	u := stats.UDist{N1: n, N2: m}
	c := 0
	for c < most && u.CDF(float64(c)) <= alpha/2 {
		c++
	}
	return c
}
