package measure

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCenter(t *testing.T) {
	tests := []struct {
		samples []float64
		want    Spread
	}{
		{nil, Spread{}},
		{[]float64{7}, Spread{1, 7, 7, 7, 0}},
		{[]float64{9, 7}, Spread{2, 8, 7, 9, .5}},
		{[]float64{3, 1, 2}, Spread{3, 2, 1, 3, .75}},
		{[]float64{5, 1, 4, 2, 3}, Spread{5, 3, 1, 5, .9375}},
		// From six on the order statistics of the sign test: Hahn & Meeker,
		// Statistical Intervals, table A.15: (1, 6) of 6, (2, 9) of 10.
		{[]float64{6, 5, 1, 4, 2, 3}, Spread{6, 3.5, 1, 6, .96875}},
		{[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, Spread{10, 5.5, 2, 9, .978515625}},
	}
	for _, tt := range tests {
		got := Center(tt.samples)
		if math.Abs(got.Confidence-tt.want.Confidence) < 1e-9 {
			got.Confidence = tt.want.Confidence
		}
		if got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.samples, got, tt.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for s, want := range map[Spread]float64{
		{Median: 10, Low: 9, High: 10.5}: 10,
		{Median: 10, Low: 10, High: 12}:  20,
		{Median: -10, Low: -11, High: 0}: 100,
		{Median: 0, Low: 0, High: 3}:     0,
		{}:                               0,
	} {
		if got := s.Percent(); math.Abs(got-want) > 1e-9 {
			t.Errorf("%+v: %v, want %v", s, got, want)
		}
	}
}

// The median's interval holds the median, lies among the samples, and does not
// depend on their order; the samples keep theirs.
func TestCenterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 40).Draw(t, "samples")
		kept := slices.Clone(samples)
		s := Center(samples)
		if !slices.Equal(samples, kept) {
			t.Fatalf("the order of samples changed")
		}
		if s.N != len(samples) || s.Low > s.Median || s.Median > s.High || s.Low < slices.Min(samples) || s.High > slices.Max(samples) {
			t.Fatalf("%+v of %v", s, samples)
		}
		if (len(samples) >= 6) != (s.Confidence >= Confidence) {
			t.Fatalf("confidence %v of %d samples", s.Confidence, len(samples))
		}
		slices.Reverse(kept)
		if Center(kept) != s {
			t.Fatalf("%v reversed: %+v, not %+v", samples, Center(kept), s)
		}
	})
}
