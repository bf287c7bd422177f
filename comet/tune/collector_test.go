package tune

import (
	"runtime/debug"
	"testing"
)

// TestPercent: garbage is bounded by headroom, and not much below it.
func TestPercent(t *testing.T) {
	for live := uint64(1); live < 1<<34; live += live/7 + 1 {
		p := percent(live)
		garbage := live * uint64(p) / 100
		switch {
		case p < leastPercent || p > mostPercent:
			t.Fatalf("%d bytes live: %d %%", live, p)
		case p > leastPercent && garbage > headroom:
			t.Fatalf("%d bytes live: %d %% is more than headroom", live, p)
		case p < mostPercent && garbage < headroom*2/3:
			t.Fatalf("%d bytes live: %d %% leaves %d bytes", live, p, garbage)
		}
	}
}

// TestCollector: what was set is back afterwards, and GOGC is left alone.
func TestCollector(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(123))
	stop := Collector()
	if now := debug.SetGCPercent(mostPercent); now != mostPercent {
		t.Errorf("%d %% at first, want %d", now, mostPercent)
	}
	stop()
	if now := debug.SetGCPercent(123); now != 123 {
		t.Errorf("%d %% afterwards", now)
	}
	t.Setenv("GOGC", "70")
	Collector()()
	if now := debug.SetGCPercent(123); now != 123 {
		t.Errorf("%d %% with GOGC set", now)
	}
}
