package ledger

import (
	"testing"
	"time"
)

// TestTimes: each bucket holds what took as long as its bound, and no longer.
func TestTimes(t *testing.T) {
	for _, row := range []struct {
		took   time.Duration
		bucket int
	}{
		{-time.Second, 0}, // two clocks
		{0, 0},
		{time.Microsecond, 0},
		{TimeBound(0), 0},
		{TimeBound(0) + time.Microsecond, 1},
		{TimeBound(1), 1},
		{TimeBound(1) + time.Microsecond, 2},
		{TimeBound(15), 15},
		{TimeBound(15) + time.Microsecond, 16},
		{TimeBound(16) + time.Microsecond, 16},
		{time.Hour, 16},
	} {
		var a Times
		a.Add(row.took, 3)
		if a.N[row.bucket] != 3 || a.Sum != 3*uint64(max(row.took.Microseconds(), 1)) {
			t.Errorf("%v: %+v, want bucket %d", row.took, a, row.bucket)
		}
		b := a
		b.Add(time.Second, 1)
		if d := b.Minus(&a); d.N[11] != 1 || d.Sum != 1e6 {
			t.Errorf("%v: difference %+v", row.took, d)
		}
	}
}
