package report

import "math"

// scale maps values to pixels, evenly or by their logarithm.
type scale struct {
	low, high float64 // values at the ends
	from, to  float64 // pixels at the ends
	log       bool
}

// evenScale covers zero and values.
func evenScale(values []float64, from, to float64) scale {
	s := scale{from: from, to: to}
	for _, v := range values {
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
	if s.low == s.high {
		s.high = s.low + 1
	}
	return s
}

// scaleFor is even and begins at zero, unless the greatest value is more than
// wide times the least: then only a logarithm shows both.
func scaleFor(values []float64, wide, from, to float64) scale {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if len(values) > 0 && low > 0 && high/low > wide {
		return scale{low: low / 1.2, high: high * 1.2, from: from, to: to, log: true}
	}
	return evenScale(values, from, to)
}

// along covers values from the least to the greatest, for an axis of points
// that were chosen; by logarithm where they were chosen so.
func along(values []float64, from, to float64) scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1), from: from, to: to}
	for _, v := range values {
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
	s.log = s.low > 0 && s.high/s.low >= 8
	return s
}

// at is the pixel of v.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, s.low))
	}
	if low == high {
		return (s.from + s.to) / 2
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks are round values within s, about five.
func (s scale) ticks() (ticks []float64) {
	if s.log {
		return s.logTicks()
	}
	step := niceStep((s.high - s.low) / 4)
	first, last := math.Ceil(s.low/step), math.Floor(s.high/step*(1+1e-9))
	if !(last-first < 20) || math.IsInf(step, 0) {
		return nil // beyond what a float can tell apart
	}
	for n := first; n <= last; n++ {
		ticks = append(ticks, n*step)
	}
	return ticks
}

// niceStep is the least of 1, 2, 5, 10, … times a power of ten that is at
// least v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks are powers of ten, some of them where there are many, and 2 and 5
// times them where there is room.
func (s scale) logTicks() (ticks []float64) {
	decades := math.Log10(s.high) - math.Log10(s.low)
	every := max(1, math.Ceil(decades/7))
	for power := math.Floor(math.Log10(s.low)/every) * every; power <= math.Log10(s.high); power += every {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, power)
			if v >= s.low && v <= s.high && (m == 1 || decades < 3) {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

// apart moves positions down, in order, until neighbours are at least gap
// apart, and then all that would leave [low, high] back up.
func apart(at []float64, gap, low, high float64) {
	order := sortedBy(at)
	next := low
	for _, i := range order {
		at[i] = max(at[i], next)
		next = at[i] + gap
	}
	limit := high
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		at[i] = min(at[i], limit)
		limit = at[i] - gap
	}
}

// sortedBy are the indexes of at in the order of its values.
func sortedBy(at []float64) []int {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
		for k := i; k > 0 && at[order[k-1]] > at[order[k]]; k-- {
			order[k-1], order[k] = order[k], order[k-1]
		}
	}
	return order
}
