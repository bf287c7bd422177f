package measure

import (
	"math"
	"slices"
)

// Trend is what a series of readings does in the long run, past its beginning.
// The first sixth is left out: caches fill and pools find their size then.
type Trend struct {
	N int // readings past the first sixth
	// Early and Late are the medians of the second and of the last sixth.
	Early, Late float64
	// Slope a second is that of Theil and Sen, the median of the slopes between
	// all pairs, which a few wild readings do not move. The true one lies above
	// Low with a probability of 1 - Alpha/2, by Sen's interval.
	Slope, Low float64
}

// fewest is how many readings a Trend needs: Sen's interval of fewer than the
// five that are left then has no lower end.
const fewest = 6

// TrendOf values that were read at so many seconds; ok is false if there are
// fewer than six.
func TrendOf(seconds, values []float64) (t Trend, ok bool) {
	n := min(len(seconds), len(values))
	if n < fewest {
		return t, false
	}
	sixth := n / 6
	t.N = n - sixth
	t.Early = Center(values[sixth : 2*sixth]).Median
	t.Late = Center(values[n-sixth : n]).Median
	t.Slope, t.Low = sen(seconds[sixth:n], values[sixth:n])
	return t, true
}

// Grows says whether the late readings lie above the early ones by more than
// slack, and that not by chance: the slope is above zero beyond the noise.
func (t Trend) Grows(slack float64) bool { return t.Late-t.Early > slack && t.Low > 0 }

// sen is the median slope and the lower end of its interval; see Sen, Estimates
// of the regression coefficient based on Kendall's tau, 1968.
func sen(seconds, values []float64) (slope, low float64) {
	var slopes []float64
	for i := range seconds {
		for k := range i {
			if seconds[i] > seconds[k] {
				slopes = append(slopes, (values[i]-values[k])/(seconds[i]-seconds[k]))
			}
		}
	}
	slices.Sort(slopes)
	n := float64(len(seconds))
	reach := 1.96 * math.Sqrt(n*(n-1)*(2*n+5)/18) // 1.96: 95 % of a normal distribution
	low = math.Inf(-1)
	if at := int(math.Round((float64(len(slopes)) - reach) / 2)); at > 0 {
		low = slopes[at-1]
	}
	return Center(slopes).Median, low
}
