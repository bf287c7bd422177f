package ledger

import (
	"sync"
	"testing"
	"time"
)

// TestWatch: the last of all who hold it ends it, once, and sees what all did.
func TestWatch(t *testing.T) {
	for _, loops := range []int{0, 1, 8} {
		over := 0
		w := NewWatch(func(w *Watch) {
			over++
			ends := w.Ended()
			first, last, ok := w.Written()
			if ends[Delivered] != uint32(3*loops) || ends[Shed] != uint32(loops) || w.Loops() != loops || ok != (loops > 0) {
				t.Errorf("%d loops: %d told, ended %v, written %v", loops, w.Loops(), ends, ok)
			}
			if ok && (first.Unix() < 1 || !last.Equal(time.Unix(int64(loops), 0)) || first.After(last)) {
				t.Errorf("%d loops: written from %v to %v", loops, first, last)
			}
		})
		var wg sync.WaitGroup
		for i := range loops {
			w.Hold()
			wg.Go(func() {
				w.Deliver(0, time.Unix(1<<30, 0)) // nobody: no write
				w.Deliver(3, time.Unix(int64(i+1), 0))
				w.End(Shed, 1)
				w.Release()
			})
		}
		wg.Wait()
		if over != 0 {
			t.Fatalf("%d loops: over while its maker holds it", loops)
		}
		if w.Release(); over != 1 {
			t.Errorf("%d loops: over %d times", loops, over)
		}
	}
}

// TestNoWatch: a push that is in no trace is watched by nil.
func TestNoWatch(t *testing.T) {
	var w *Watch
	n := testing.AllocsPerRun(100, func() {
		w.Hold()
		w.Deliver(1, time.Time{})
		w.End(Shed, 1)
		w.Release()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
