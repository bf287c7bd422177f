package measure

import (
	"math"
	"slices"
)

// Verdict on two sets of samples.
type Verdict int

const (
	// TooFew samples: even if all of one lay above all of the other, chance
	// could not be ruled out. Four of each are the least, or three and five.
	TooFew Verdict = iota
	// Same: no difference beyond the noise.
	Same
	// Differ beyond the noise.
	Differ
)

// Compare judges whether a and b differ at the level Alpha, by the U test of
// Mann and Whitney. p is the chance of a difference at least as large between
// two sets that measure the same.
//
// Up to exactly samples in all p is exact, also where values repeat. (That of
// benchstat's library doubles one tail, which is more than 1 for some samples
// that repeat.) Beyond, it is the normal approximation.
func Compare(a, b []float64) (v Verdict, p float64) {
	if len(a) == 0 || len(b) == 0 {
		return TooFew, 1
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	ranks, sum := doubledRanks(a, b)
	far := abs(sum - len(a)*(len(ranks)+1)) // from the mean, doubled
	if len(ranks) <= exactly {
		p = exactP(ranks, len(a), far)
	} else {
		p = normalP(ranks, len(a), far)
	}
	switch {
	case 2/choose(len(ranks), len(a)) > Alpha:
		return TooFew, p
	case p <= Alpha:
		return Differ, p
	}
	return Same, p
}

// exactly is the number of samples up to which p is counted out: more would
// take long, and the approximation is good by then.
const exactly = 60

// exactP counts the ways to choose which k of all samples are a's, and among
// them those whose sum of ranks lies at least as far from the mean.
func exactP(ranks []int, k, far int) float64 {
	var all, extreme float64
	for sum, n := range waysToSum(ranks, k) {
		all += n
		if abs(sum-k*(len(ranks)+1)) >= far {
			extreme += n
		}
	}
	return extreme / all
}

// normalP is exactP for many samples, with the corrections for ties and for
// continuity.
func normalP(ranks []int, k, far int) float64 {
	n := float64(len(ranks))
	var ties float64
	for i := 0; i < len(ranks); {
		end := i
		for end < len(ranks) && ranks[end] == ranks[i] {
			end++
		}
		t := float64(end - i)
		ties += t*t*t - t
		i = end
	}
	variance := float64(k) * (n - float64(k)) / 12 * (n + 1 - ties/(n*(n-1)))
	if variance <= 0 {
		return 1 // all samples are equal
	}
	z := max(float64(far)/2-.5, 0) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2)
}

// doubledRanks of all samples in ascending order, and the sum of a's. Samples
// that are equal share the mean of their ranks, and twice that is whole.
func doubledRanks(a, b []float64) (ranks []int, sum int) {
	all := slices.Concat(a, b)
	slices.Sort(all)
	of := make(map[float64]int, len(all))
	for i := 0; i < len(all); {
		end := i
		for end < len(all) && all[end] == all[i] {
			end++
		}
		of[all[i]] = i + 1 + end // ranks i+1 … end
		i = end
	}
	for _, v := range all {
		ranks = append(ranks, of[v])
	}
	for _, v := range a {
		sum += of[v]
	}
	return ranks, sum
}

// waysToSum says for each sum in how many ways k of ranks add up to it. They
// are floats, which hold what outgrows an integer well enough.
func waysToSum(ranks []int, k int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([][]float64, k+1) // by the number chosen
	for i := range ways {
		ways[i] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for _, r := range ranks {
		for chosen := k; chosen > 0; chosen-- {
			for s := total; s >= r; s-- {
				ways[chosen][s] += ways[chosen-1][s-r]
			}
		}
	}
	return ways[k]
}

// choose is the number of ways to choose k of n.
func choose(n, k int) float64 {
	ways := 1.0
	for i := range k {
		ways = ways * float64(n-i) / float64(i+1)
	}
	return math.Round(ways)
}

func abs(n int) int { return max(n, -n) }
