package measure

import (
	"sync"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	l := NewLatency()
	if s := l.Summary(); s != (Summary{}) {
		t.Errorf("empty: %+v", s)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 250 {
				l.Record(time.Duration(worker*250+i+1) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	s := l.Summary()
	near := func(name string, got, want time.Duration) {
		if got < want || got > want+want/500 {
			t.Errorf("%s = %v, want about %v", name, got, want)
		}
	}
	near("p50", s.P50, 500*time.Millisecond)
	near("p90", s.P90, 900*time.Millisecond)
	near("p99", s.P99, 990*time.Millisecond)
	near("p99.9", s.P999, 999*time.Millisecond)
	near("max", s.Max, time.Second)
	if s.Count != 1000 {
		t.Errorf("count %d", s.Count)
	}
	if l.Reset(); l.Summary() != (Summary{}) {
		t.Errorf("after Reset: %+v", l.Summary())
	}
}

func TestLatencyOutOfRange(t *testing.T) {
	l := NewLatency()
	l.Record(-time.Second) // a clock cannot do that, a defect can
	l.Record(time.Hour)
	if s := l.Summary(); s.Count != 2 || s.Max < time.Minute {
		t.Errorf("%+v", s)
	}
}
