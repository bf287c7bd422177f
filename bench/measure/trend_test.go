package measure

import (
	"math"
	"testing"
)

// reading is what one series has at second i of n.
type reading func(i int) float64

// series reads once a minute.
func series(n int, at reading) (seconds, values []float64) {
	for i := range n {
		seconds, values = append(seconds, float64(60*i)), append(values, at(i))
	}
	return seconds, values
}

// noise is between -1 and 1, the same each time.
func noise(i int) float64 { return math.Sin(float64(i*i)*12.9898 + 78.233) }

// TestTrend: what leaks is found, and what only looks like it is not.
func TestTrend(t *testing.T) {
	for name, tt := range map[string]struct {
		n     int
		at    reading
		slack float64
		grows bool
	}{
		"flat":                               {30, func(int) float64 { return 100 }, 0, false},
		"noisy":                              {30, func(i int) float64 { return 100 + 10*noise(i) }, 10, false},
		"leak":                               {30, func(i int) float64 { return 100 + float64(i) }, 5, true},
		"leak under noise":                   {30, func(i int) float64 { return 100 + float64(i) + 5*noise(i) }, 5, true},
		"leak of one in ten":                 {30, func(i int) float64 { return 20 + float64(i/10) }, 0, true},
		"leak within slack":                  {30, func(i int) float64 { return 100 + float64(i)/10 }, 5, false},
		"shrinks":                            {30, func(i int) float64 { return 100 - float64(i) }, 0, false},
		"a cache fills first":                {30, func(i int) float64 { return 100 + 50*min(float64(i), 5) }, 5, false},
		"one wild reading last":              {30, func(i int) float64 { return 100 + 1000*float64(i/29) }, 5, false},
		"saw teeth":                          {30, func(i int) float64 { return 100 + float64(i%7) }, 2, false},
		"six readings that rise, the fewest": {6, func(i int) float64 { return 100 + 10*float64(i) }, 5, true},
		"six that rise all but once":         {6, func(i int) float64 { return []float64{100, 110, 120, 140, 130, 150}[i] }, 5, false},
	} {
		seconds, values := series(tt.n, tt.at)
		trend, ok := TrendOf(seconds, values)
		if !ok || trend.Grows(tt.slack) != tt.grows {
			t.Errorf("%s: %+v, grows %v", name, trend, trend.Grows(tt.slack))
		}
	}
}

func TestTrendFigures(t *testing.T) {
	trend, ok := TrendOf(series(12, func(i int) float64 { return 7 + 3*float64(i) }))
	if want := (Trend{N: 10, Early: 14.5, Late: 38.5, Slope: .05, Low: .05}); !ok || trend.N != want.N || trend.Early != want.Early ||
		trend.Late != want.Late || math.Abs(trend.Slope-want.Slope) > 1e-12 || math.Abs(trend.Low-want.Low) > 1e-12 {
		t.Errorf("%+v, want %+v", trend, want)
	}
	for n := range fewest {
		if _, ok := TrendOf(series(n, func(i int) float64 { return float64(i) })); ok {
			t.Errorf("a trend of %d readings", n)
		}
	}
	same := make([]float64, 10) // all at one time
	if trend, ok := TrendOf(same, same); !ok || trend.Grows(0) {
		t.Errorf("%+v", trend)
	}
}
