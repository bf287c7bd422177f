package measure

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestCompare(t *testing.T) {
	tests := []struct {
		name string
		a, b []float64
		want Verdict
		p    float64 // 0: not checked
	}{
		{"none", nil, []float64{1}, TooFew, 1},
		{"three of each are too few", []float64{1, 2, 3}, []float64{7, 8, 9}, TooFew, .1},
		{"four apart", []float64{1, 2, 3, 4}, []float64{6, 7, 8, 9}, Differ, 2. / 70},
		{"three and five apart", []float64{1, 2, 3}, []float64{4, 5, 6, 7, 8}, Differ, 2. / 56},
		{"five apart", []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, Differ, 2. / 252},
		// U = 2 of 5 and 5: 4 of 252 orders on each side (0, 1, 2, 2).
		{"two out of order", []float64{1, 2, 3, 4, 7}, []float64{5, 6, 8, 9, 10}, Differ, 8. / 252},
		// The critical value at 5 % of 5 and 5 is 2 (Mann & Whitney 1947, table I),
		// so U = 3 is no difference.
		{"three out of order", []float64{1, 2, 3, 4, 8}, []float64{5, 6, 7, 9, 10}, Same, 14. / 252},
		{"the same", []float64{1, 2, 3, 4, 5}, []float64{1, 2, 3, 4, 5}, Same, 1},
		{"all equal", []float64{3, 3, 3, 3, 3}, []float64{3, 3, 3, 3, 3}, Same, 1},
		{"two constants", []float64{3, 3, 3, 3}, []float64{4, 4, 4, 4}, Differ, 2. / 70},
		// The critical value of 8 and 8 is 13: U = 13 differs, U = 14 does not.
		{"8 and 8, U = 13", []float64{1, 2, 3, 4, 5, 6, 13, 15}, []float64{7, 8, 9, 10, 11, 12, 14, 16}, Differ, 0},
		{"8 and 8, U = 14", []float64{1, 2, 3, 4, 5, 6, 14, 15}, []float64{7, 8, 9, 10, 11, 12, 13, 16}, Same, 0},
		// By hand: of 3 ways to choose, {0, 0} is one and {0, 1} two.
		{"repeated values", []float64{0, 0}, []float64{1}, TooFew, 1. / 3},
	}
	for _, tt := range tests {
		v, p := Compare(tt.a, tt.b)
		if v != tt.want || tt.p != 0 && math.Abs(p-tt.p) > 1e-9 {
			t.Errorf("%s: %v, p = %v; want %v, %v", tt.name, v, p, tt.want, tt.p)
		}
	}
}

// Two sets of one distribution are called different in about one of twenty
// comparisons, and not more often.
func TestFalseAlarms(t *testing.T) {
	const trials = 1000
	next := uint64(1)
	random := func() float64 { // SplitMix64: the same in each run of the test
		next += 0x9e3779b97f4a7c15
		z := next
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
	alarms := 0
	for range trials {
		var a, b []float64
		for range 6 {
			a, b = append(a, math.Exp(random())), append(b, math.Exp(random()))
		}
		if v, _ := Compare(a, b); v == Differ {
			alarms++
		}
	}
	if share := float64(alarms) / trials; share > .06 || share < .02 {
		t.Errorf("%.3f of comparisons of equals differ", share)
	}
}

// Differences do not depend on which set is named first, nor on the scale.
func TestCompareProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 30), func(n int) float64 { return float64(n) }), 1, 12)
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		v, p := Compare(a, b)
		back, q := Compare(b, a)
		if v != back || math.Abs(p-q) > 1e-9 || p < 0 || p > 1+1e-9 {
			t.Fatalf("%v against %v: %v %v, the other way %v %v", a, b, v, p, back, q)
		}
		scaled := func(in []float64) (out []float64) {
			for _, x := range in {
				out = append(out, 8*x+1)
			}
			return out
		}
		if w, r := Compare(scaled(a), scaled(b)); w != v || math.Abs(r-p) > 1e-9 {
			t.Fatalf("scaled: %v %v, not %v %v", w, r, v, p)
		}
	})
}

// Where both can be had, the approximation is near the count; and many samples
// take no time.
func TestManySamples(t *testing.T) {
	for shift := range 12 {
		var a, b []float64
		for i := range 30 {
			a = append(a, float64(i*7%30/2)) // each twice
			b = append(b, float64(i*11%30/2)+float64(shift)/2)
		}
		ranks, sum := doubledRanks(a, b)
		far := abs(sum - len(a)*(len(ranks)+1))
		exact, near := exactP(ranks, len(a), far), normalP(ranks, len(a), far)
		if math.Abs(exact-near) > .01 {
			t.Errorf("shifted by %v: %v, approximately %v", float64(shift)/2, exact, near)
		}
	}
	many := make([]float64, 20000)
	for i := range many {
		many[i] = float64(i)
	}
	if v, p := Compare(many, many); v != Same || p < .99 {
		t.Errorf("a set and itself: %v, %v", v, p)
	}
	if v, p := Compare(many[:10000], many[10000:]); v != Differ || p > 1e-9 {
		t.Errorf("apart: %v, %v", v, p)
	}
	if v, p := Compare(make([]float64, 40), make([]float64, 40)); v != Same || p != 1 {
		t.Errorf("all equal: %v, %v", v, p)
	}
}
