package wheel

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAgainstModel drives the wheel and a plain map side by side: every
// deadline fires once, never early, at most a tick late, and what was cleared
// or moved does not fire at its old time.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1000, 0)
		now := start
		w := New(start)
		model := map[uint32]time.Time{}
		fire := func(slot uint32) {
			at, ok := model[slot]
			if !ok {
				t.Fatalf("slot %d fired without a deadline", slot)
			}
			if now.Before(at) {
				t.Fatalf("slot %d fired %v early", slot, at.Sub(now))
			}
			delete(model, slot)
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				slot := rapid.Uint32Range(0, 9000).Draw(t, "slot")
				d := time.Duration(rapid.Int64Range(-int64(time.Second), int64(Span)-int64(Tick)).Draw(t, "d"))
				w.Set(slot, now.Add(d))
				model[slot] = now.Add(max(d, 0))
			},
			"clear": func(t *rapid.T) {
				slot := rapid.Uint32Range(0, 9000).Draw(t, "slot")
				w.Clear(slot)
				delete(model, slot)
			},
			"advance": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*Span)).Draw(t, "by")))
				w.Advance(now, fire)
			},
			"step": func(t *rapid.T) {
				if d := w.Wait(now); d >= 0 {
					now = now.Add(d)
					before := len(model)
					w.Advance(now, fire)
					if len(model) == before {
						t.Fatalf("nothing fired after the announced wait of %v", d)
					}
				}
			},
			"": func(t *rapid.T) {
				if w.Len() != len(model) {
					t.Fatalf("wheel has %d entries, model %d", w.Len(), len(model))
				}
				for slot, at := range model {
					if late := now.Sub(at); late > 2*Tick && w.now == uint64(now.Sub(start)/Tick) {
						t.Fatalf("slot %d is %v late", slot, late)
					}
				}
			},
		})
	})
}

// A deadline set while the wheel's clock lags behind must not be lost.
func TestBeyondSpanFiresAtSpan(t *testing.T) {
	start := time.Unix(1000, 0)
	w := New(start)
	w.Set(7, start.Add(10*Span))
	fired := 0
	w.Advance(start.Add(Span+Tick), func(slot uint32) { fired++ })
	if fired != 1 {
		t.Fatalf("fired %d times within the span, want 1", fired)
	}
}

func TestSetAllocatesNothing(t *testing.T) {
	start := time.Unix(1000, 0)
	w := New(start)
	w.Set(4000, start)
	now := start
	n := testing.AllocsPerRun(1000, func() {
		now = now.Add(Tick)
		w.Set(17, now.Add(time.Second))
		w.Advance(now, func(uint32) {})
	})
	if n != 0 {
		t.Fatalf("%v allocations a turn, want 0", n)
	}
}
