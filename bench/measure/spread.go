package measure

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Level of confidence of an interval, and its complement, the risk that two
// equal things are called different.
const (
	Confidence = 0.95
	Alpha      = 1 - Confidence
)

// Spread is what repeated samples say together. Nothing is assumed of their
// distribution, which is rarely normal for times.
type Spread struct {
	N      int
	Median float64
	// Low and High hold the true median with probability Confidence, at least
	// 0.95. Below six samples no interval does; then they are the least and
	// the greatest sample, and Confidence is what that is worth: 0.94 of five,
	// 0.75 of three, 0 of one.
	Low, High  float64
	Confidence float64
}

// Center of samples, the zero Spread of none.
func Center(samples []float64) Spread {
	n := len(samples)
	if n == 0 {
		return Spread{}
	}
	s := sample(samples)
	sum := benchmath.AssumeNothing.Summary(s, Confidence)
	if math.IsInf(sum.Lo, 0) || math.IsInf(sum.Hi, 0) || n < 2 {
		// The median lies outside of all samples if all n fall on one side.
		return Spread{N: n, Median: sum.Center, Low: s.Values[0], High: s.Values[n-1], Confidence: 1 - math.Pow(2, float64(1-n))}
	}
	return Spread{N: n, Median: sum.Center, Low: sum.Lo, High: sum.Hi, Confidence: sum.Confidence}
}

// Percent is how far Low and High lie from the median, the farther of the two.
func (s Spread) Percent() float64 {
	if s.Median == 0 {
		return 0
	}
	return 100 * max(s.High-s.Median, s.Median-s.Low) / math.Abs(s.Median)
}

// Verdict on two sets of samples.
type Verdict int

const (
	// TooFew samples: even if all of one lay above all of the other, chance
	// could not be ruled out. Four of each are the least.
	TooFew Verdict = iota
	// Same: no difference beyond the noise.
	Same
	// Differ beyond the noise.
	Differ
)

// Compare judges whether a and b differ, by the Mann-Whitney U test at Alpha,
// exact for samples of these sizes. p is the chance of a difference as large
// between two sets that measure the same.
func Compare(a, b []float64) (v Verdict, p float64) {
	if len(a) == 0 || len(b) == 0 {
		return TooFew, 1
	}
	c := benchmath.AssumeNothing.Compare(sample(a), sample(b))
	switch {
	case leastP(len(a), len(b)) > Alpha:
		return TooFew, c.P
	case c.P <= Alpha && !slices.Equal(a, b):
		return Differ, c.P
	}
	return Same, c.P
}

// leastP is the p of n and m samples of which all of one lie above all of the
// other: two of the (n+m over n) orders are so extreme.
func leastP(n, m int) float64 {
	orders := 1.0
	for i := 1; i <= n; i++ {
		orders = orders * float64(m+i) / float64(i)
	}
	return min(1, 2/orders)
}

// sample sorts a copy: benchmath sorts in place, and the order of repetitions
// is worth keeping.
func sample(v []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(v), &benchmath.DefaultThresholds)
}
