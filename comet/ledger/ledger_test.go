package ledger

import (
	"fmt"
	"testing"
	"time"
)

func TestLaneOf(t *testing.T) {
	for n, want := range map[int32]uint8{-1: Ambient, 0: System, 1: Gift, 2: Chat, 3: Ambient, 4: Ambient, 1 << 30: Ambient} {
		if got := LaneOf(n); got != want {
			t.Errorf("lane %d is %d, want %d", n, got, want)
		}
	}
}

func TestNamesAreThere(t *testing.T) {
	seen := map[string]bool{}
	for o := range Outcomes {
		seen[o.String()] = true
	}
	for lane := range Lanes {
		seen[LaneName(lane)] = true
	}
	if len(seen) != int(Outcomes)+Lanes || seen[""] {
		t.Errorf("names %v", seen)
	}
}

func TestTrace(t *testing.T) {
	begun := time.UnixMicro(1_000_000)
	tr := NewTrace(begun.UnixMicro())
	tr.Deliver(3, begun.Add(5*time.Millisecond))
	tr.Deliver(2, begun.Add(2*time.Millisecond))
	tr.Deliver(0, begun.Add(time.Hour)) // concerns nobody
	tr.End(Slow, 4)
	tr.End(Closed, 0)
	ends, slowest := tr.Ended()
	if ends[Delivered] != 5 || ends[Slow] != 4 || ends[Closed] != 0 || slowest != 5*time.Millisecond {
		t.Errorf("%v, slowest %v", ends, slowest)
	}
	var none *Trace
	none.Deliver(1, begun)
	none.End(Slow, 1)
}

// TestLogIsBounded: the newest are found, the others are gone, by number and by
// age, in whatever order both come about.
func TestLogIsBounded(t *testing.T) {
	l := NewLog(4, time.Minute)
	now := time.Unix(0, 0)
	open := func(i int) { l.Open(fmt.Sprint(i), 0, now) }
	for i := range 10 {
		open(i)
		now = now.Add(time.Second)
	}
	check := func(first, last int) {
		t.Helper()
		for i := range 20 {
			if got, want := l.Find(fmt.Sprint(i)) != nil, first <= i && i <= last; got != want {
				t.Errorf("message %d found: %v, want %v", i, got, want)
			}
		}
		if len(l.byID) != last-first+1 || len(l.ring) != last-first+1 {
			t.Errorf("%d ids, %d in the ring", len(l.byID), len(l.ring))
		}
	}
	check(6, 9)
	now = now.Add(58*time.Second - 500*time.Millisecond)
	l.Trim(now) // 6 is 61.5 s old, 7 is 60.5 s old
	check(8, 9)
	for i := 10; i < 13; i++ {
		open(i)
	}
	check(9, 12)
	first := l.Find("9")
	if l.Open("9", 5, now) != first || l.Open("", 0, now) != nil {
		t.Error("a second trace of one id, or a trace of none")
	}
	l.Trim(now.Add(time.Hour))
	check(1, 0)
}
