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
// p is exact, also where values repeat: it counts the ways to choose which
// len(a) of all samples are a's, and among them those whose sum of ranks lies
// at least as far from the mean. (benchstat's library doubles one tail, which
// is more than 1 for some samples that repeat.)
func Compare(a, b []float64) (v Verdict, p float64) {
	if len(a) == 0 || len(b) == 0 {
		return TooFew, 1
	}
	ranks, sum := doubledRanks(a, b)
	ways := waysToSum(ranks, len(a))
	mean := len(a) * (len(a) + len(b) + 1) // of doubled ranks
	var all, extreme float64
	for s, n := range ways {
		all += n
		if abs(s-mean) >= abs(sum-mean) {
			extreme += n
		}
	}
	p = extreme / all
	switch {
	case 2/choose(len(a)+len(b), len(a)) > Alpha:
		return TooFew, p
	case p <= Alpha:
		return Differ, p
	}
	return Same, p
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
// are floats since they outgrow an integer beyond 60 samples.
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
