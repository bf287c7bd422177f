package ledger

import (
	"math/bits"
	"time"
)

// TimeBuckets is how many buckets Times has.
const TimeBuckets = 17

// leastTime is the bound of the first bucket.
const leastTime = 500 * time.Microsecond

// Times counts deliveries by how long they took from acceptance to the write: by
// two clocks, if comet and logic run on two machines.
type Times struct {
	// N by bucket; the last holds all that took longer than the bound before it.
	N [TimeBuckets]uint64
	// Sum of all, in microseconds.
	Sum uint64
}

// TimeBound is the longest time that bucket i but the last counts: 0.5 ms, twice
// as long for each that follows, 16.4 s.
func TimeBound(i int) time.Duration { return leastTime << i }

// Add counts n deliveries that took so long.
func (t *Times) Add(took time.Duration, n int) {
	us := uint64(max(took.Microseconds(), 1))
	i := bits.Len64((us - 1) / uint64(leastTime.Microseconds()))
	t.N[min(i, TimeBuckets-1)] += uint64(n)
	t.Sum += us * uint64(n)
}

// Minus is the difference of two of which o is the earlier.
func (t Times) Minus(o *Times) Times {
	for i := range t.N {
		t.N[i] -= o.N[i]
	}
	t.Sum -= o.Sum
	return t
}
