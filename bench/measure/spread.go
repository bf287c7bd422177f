package measure

import (
	"math"
	"slices"
)

// Confidence of an interval, and its complement, the risk that two equal
// things are called different.
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

// Center of samples, the zero Spread of none. The interval is that of the sign
// test: the narrowest pair of order statistics, equally far from both ends,
// that is sure enough.
func Center(samples []float64) Spread {
	n := len(samples)
	if n == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	s := Spread{N: n, Median: sorted[n/2]}
	if n%2 == 0 {
		s.Median = sorted[n/2-1] + (sorted[n/2]-sorted[n/2-1])/2
	}
	// The median lies outside of [k+1st, k+1st from the end] if at most k of n
	// samples fall on one side of it: twice a binomial tail.
	k, outside := 0, 2*math.Pow(.5, float64(n))
	for term := outside; k+1 < n/2; k++ {
		term *= float64(n-k) / float64(k+1)
		if outside+term > Alpha {
			break
		}
		outside += term
	}
	s.Low, s.High, s.Confidence = sorted[k], sorted[n-1-k], 1-outside
	return s
}

// Percent is how far Low and High lie from the median, the farther of the two.
func (s Spread) Percent() float64 {
	if s.Median == 0 {
		return 0
	}
	return 100 * max(s.High-s.Median, s.Median-s.Low) / math.Abs(s.Median)
}
