package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// choose returns the number of ways to take k of n.
func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

// The interval of a median is the narrowest symmetric pair of order statistics that covers it often enough, counted out by hand.
func TestSummaryAgainstBruteForce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 24; n++ {
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Exp(random.NormFloat64())
		}
		given := slices.Clone(values)
		got := Summarize(values)
		if !slices.Equal(values, given) {
			t.Fatal("the values were changed")
		}
		sorted := slices.Sorted(slices.Values(values))
		if want := (sorted[(n-1)/2] + sorted[n/2]) / 2; math.Abs(got.Median-want) > 1e-12 {
			t.Errorf("n=%d: median %v, want %v", n, got.Median, want)
		}
		// The chance that the true median lies between the two: heads of n coins that are neither too few nor too many.
		covered := 0.0
		lo, hi := slices.Index(sorted, got.Lo), slices.Index(sorted, got.Hi)
		for heads := lo + 1; heads <= hi; heads++ {
			covered += choose(n, heads) / math.Pow(2, float64(n))
		}
		if got.Open != (n < 6) {
			t.Errorf("n=%d: open is %v", n, got.Open)
		}
		if !got.Open && covered < confidence {
			t.Errorf("n=%d: [%d, %d] covers the median with %v", n, lo, hi, covered)
		}
		if !got.Open && hi-lo > 2 {
			narrower := covered - choose(n, lo+1)/math.Pow(2, float64(n)) - choose(n, hi)/math.Pow(2, float64(n))
			if narrower >= confidence {
				t.Errorf("n=%d: a narrower interval would do, with %v", n, narrower)
			}
		}
	}
}

// splits calls f with every way to say which n of n+m things are the first sample.
func splits(n, m int, f func(first []int)) {
	first := make([]int, 0, n)
	var rec func(from int)
	rec = func(from int) {
		if len(first) == n {
			f(first)
			return
		}
		for i := from; i < n+m; i++ {
			first = append(first, i)
			rec(i + 1)
			first = first[:len(first)-1]
		}
	}
	rec(0)
}

// uOf counts the pairs in which the first sample's is the greater, from the ranks of the first sample.
func uOf(first []int) int {
	u := 0
	for i, rank := range first {
		u += rank - i
	}
	return u
}

func TestCompareAgainstBruteForce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][2]int{{1, 1}, {2, 3}, {3, 3}, {4, 4}, {5, 3}, {5, 6}, {7, 6}, {8, 8}} {
		n, m := size[0], size[1]
		var a, b []float64
		for range n {
			a = append(a, math.Exp(0.2+0.3*random.NormFloat64()))
		}
		for range m {
			b = append(b, math.Exp(0.3*random.NormFloat64()))
		}
		u := 0
		var ratios []float64
		for _, x := range a {
			for _, y := range b {
				ratios = append(ratios, x/y)
				if x > y {
					u++
				}
			}
		}
		slices.Sort(ratios)
		extreme, all := 0, 0
		below := make([]int, n*m+1)
		splits(n, m, func(first []int) {
			v := uOf(first)
			all++
			below[v]++
			if min(v, n*m-v) <= min(u, n*m-u) {
				extreme++
			}
		})
		got := Compare(a, b, 0)
		if want := min(1, float64(extreme)/float64(all)); math.Abs(got.P-want) > 1e-9 {
			t.Errorf("%dx%d: p is %v, want %v", n, m, got.P, want)
		}
		if want := (ratios[(n*m-1)/2] + ratios[n*m/2]) / 2; math.Abs(got.Ratio-want) > 1e-12 {
			t.Errorf("%dx%d: ratio %v, want %v", n, m, got.Ratio, want)
		}
		// Outside of the interval lie as many pairs at each end as a U may be and still be refused.
		outside, chance := 0, 0
		for v := 0; v < (n*m-1)/2; v++ {
			if chance += below[v]; float64(chance)/float64(all) > alpha/2 {
				break
			}
			outside++
		}
		if got.Lo != ratios[outside] || got.Hi != ratios[n*m-1-outside] {
			t.Errorf("%dx%d: interval [%v, %v], want [%v, %v]", n, m, got.Lo, got.Hi, ratios[outside], ratios[n*m-1-outside])
		}
		// Where not even the most extreme order is refused there is no interval to speak of.
		if refused := got.Lo > 1 || got.Hi < 1; outside > 0 && refused != (got.P < alpha) {
			t.Errorf("%dx%d: the interval [%v, %v] and p=%v disagree", n, m, got.Lo, got.Hi, got.P)
		}
	}
}

// runsOf draws n run times around mean: log-normal, and now and then one of a busy moment.
func runsOf(random *rand.Rand, n int, mean float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = mean * math.Exp(0.03*random.NormFloat64())
		if random.IntN(20) == 0 {
			values[i] *= 1 + 0.3*random.Float64()
		}
	}
	return values
}

// A trial is made as a comparison makes it: three series, two of them of the same thing, which give the noise.
func trial(random *rand.Rand, slow float64) Difference {
	const runs = 12
	a, b, again := runsOf(random, runs, slow), runsOf(random, runs, 1), runsOf(random, runs/2, 1)
	return Compare(a, b, Noise(b, again))
}

func TestSameThingShowsNoDifference(t *testing.T) {
	t.Parallel()
	const trials = 1000
	random := rand.New(rand.NewPCG(5, 6))
	quiet := 0
	for range trials {
		if v := trial(random, 1).Verdict; v == None || v == InNoise {
			quiet++
		}
	}
	t.Logf("no difference in %d of %d trials", quiet, trials)
	if quiet < trials*95/100 {
		t.Errorf("no difference in %d of %d trials, want 95 %%", quiet, trials)
	}
}

func TestTenPercentAreFound(t *testing.T) {
	t.Parallel()
	const trials = 1000
	random := rand.New(rand.NewPCG(7, 8))
	for _, slow := range []float64{1.10, 1 / 1.10} {
		want, found := Higher, 0
		if slow < 1 {
			want = Lower
		}
		for range trials {
			if trial(random, slow).Verdict == want {
				found++
			}
		}
		t.Logf("x%.2f: found in %d of %d trials", slow, found, trials)
		if found < trials*90/100 {
			t.Errorf("x%.2f: found in %d of %d trials, want 90 %%", slow, found, trials)
		}
	}
}

func TestFewRunsClaimNothing(t *testing.T) {
	t.Parallel()
	for _, d := range []Difference{Compare(nil, []float64{1}, 0), Compare([]float64{1, 1.1, 1.2}, []float64{9, 9.1, 9.2}, 0)} {
		if d.Verdict != TooFew {
			t.Errorf("got %+v", d)
		}
	}
	if d := Compare([]float64{0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0}, 0); d.Verdict != None || d.Ratio != 0 {
		t.Errorf("all equal to 0: %+v", d)
	}
	if d := Compare([]float64{1, 2, 3, 4, 5}, []float64{0, 0, 0, 0, 0}, 0.5); d.Verdict != Higher {
		t.Errorf("above 0: %+v", d)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	counts := []int{12, 12, 4, 6}
	order := Order(counts, 1, 4711)
	if !slices.Equal(order[:4], []int{0, 1, 2, 3}) {
		t.Errorf("warm-up: %v", order[:4])
	}
	order = order[4:]
	got := make([]int, 4)
	for i, arm := range order {
		got[arm]++
		// Interleaved: no arm is ever far ahead of its share.
		if share := float64(counts[arm]) * float64(i+1) / float64(len(order)); math.Abs(float64(got[arm])-share) > 1.5 {
			t.Errorf("turn %d: arm %d has had %d, its share is %.1f", i, arm, got[arm], share)
		}
	}
	if !slices.Equal(got, counts) {
		t.Errorf("got %v runs, want %v", got, counts)
	}
	if slices.Equal(Order(counts, 1, 1), Order(counts, 1, 2)) || !slices.Equal(Order(counts, 1, 1), Order(counts, 1, 1)) {
		t.Error("the order is not the seed's")
	}
}
