package comet

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// heldLogic answers a batch when it is told to.
type heldLogic struct {
	Logic
	asked  chan int // connects of each exchange, as it begins
	answer chan bool
}

func (l *heldLogic) Sessions(ctx context.Context, connects []Connect, _ []Disconnect) ([]Connected, error) {
	l.asked <- len(connects)
	<-l.answer
	return make([]Connected, len(connects)), nil
}

// deafLoop takes every task and does nothing.
type deafLoop struct{ poller.Loop }

func (deafLoop) Post(poller.Task) bool { return true }

func openHeld(t *testing.T) (*pump, *heldLogic) {
	l := &heldLogic{asked: make(chan int), answer: make(chan bool)}
	over := make(chan struct{})
	p := newPump(l, nil, time.Minute, new(atomic.Uint64), over)
	ended := make(chan bool, pumpWorkers)
	for range pumpWorkers {
		go func() { p.run(t.Context()); ended <- true }()
	}
	p.begin()
	t.Cleanup(func() {
		close(over)
		p.end()
		close(l.answer)
		for range pumpWorkers {
			<-ended
		}
	})
	return p, l
}

func (p *pump) connectMany(n int) {
	for range n {
		p.connect(request{loop: deafLoop{}})
	}
}

func (l *heldLogic) next(t *testing.T) int {
	t.Helper()
	select {
	case n := <-l.asked:
		return n
	case <-time.After(30 * time.Second):
		t.Fatal("no exchange")
		return 0
	}
}

// TestExchangesAreFull: while two exchanges are under way, connects gather into
// half a batch, and no exchange takes more than one.
func TestExchangesAreFull(t *testing.T) {
	p, l := openHeld(t)
	for range pumpEager {
		p.connectMany(1)
		if n := l.next(t); n != 1 {
			t.Fatalf("an eager exchange with %d connects, want 1", n)
		}
	}
	p.mu.Lock() // nobody takes before all are there
	for range 2*pumpBatch + pumpHalf {
		p.connects.put(request{loop: deafLoop{}})
	}
	p.mu.Unlock()
	p.more.Broadcast()
	got := []int{l.next(t), l.next(t), l.next(t)}
	slices.Sort(got)
	if want := []int{pumpHalf, pumpBatch, pumpBatch}; !slices.Equal(got, want) {
		t.Errorf("exchanges of %v connects, want %v", got, want)
	}
}

// TestFewConnectsDoNotWaitForAnswers: with exchanges under way that do not end,
// a lone connect goes after a while, and each that comes later as well.
func TestFewConnectsDoNotWaitForAnswers(t *testing.T) {
	p, l := openHeld(t)
	for i := range pumpWorkers {
		p.connectMany(1)
		if n := l.next(t); n != 1 {
			t.Errorf("exchange %d has %d connects, want 1", i, n)
		}
	}
}
