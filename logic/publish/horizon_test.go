package publish

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHorizon(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var h horizon
	for i, row := range []struct {
		done, end int64
		records   int64
		age       time.Duration
	}{
		{0, 0, 0, 0},
		{0, 10, 10, 0},               // first seen now
		{0, 10, 10, time.Second},     // nothing new, nothing done
		{5, 20, 15, 2 * time.Second}, // a part of what was seen at 1 s is left
		{10, 20, 10, time.Second},    // the rest was seen at 3 s
		{20, 20, 0, 0},
		{20, 21, 1, 0},
		{30, 30, 0, 0}, // all that came between two looks is done
	} {
		h.see(at(i), row.done, row.end)
		if h.records() != row.records || h.age(at(i)) != row.age {
			t.Errorf("look %d: %d records, age %v; want %d, %v", i, h.records(), h.age(at(i)), row.records, row.age)
		}
	}
}

// TestHorizonBounds: whatever jobs and pushers do, the age is never more than the
// truth, nor less than it by more than two looks, while the horizon has room; and
// it has few sights when it has not.
func TestHorizonBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h horizon
		var stored []time.Time // by offset
		var done int64
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 400).Draw(t, "looks") {
			for range rapid.IntRange(0, 3).Draw(t, "pushes") {
				stored = append(stored, now.Add(time.Duration(rapid.IntRange(0, 999).Draw(t, "ms"))*time.Millisecond))
			}
			now = now.Add(time.Second)
			if rapid.IntRange(0, 9).Draw(t, "jobs work") == 0 {
				done += rapid.Int64Range(0, int64(len(stored))-done).Draw(t, "done")
			}
			h.see(now, done, int64(len(stored)))
			age, truth := h.age(now), time.Duration(0)
			if done < int64(len(stored)) {
				truth = now.Sub(stored[done])
			}
			if age > truth || len(h.sights) > maxSights {
				t.Fatalf("age %v of %v, %d sights", age, truth, len(h.sights))
			}
			if truth-age > 2*time.Second && len(h.sights) < maxSights/2 {
				t.Fatalf("age %v of %v", age, truth)
			}
		}
	})
}
