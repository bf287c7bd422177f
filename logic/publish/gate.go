package publish

import (
	"context"
	"sync"
)

// gate counts the calls under way, and lets none in once it is closed. The
// zero gate is open.
type gate struct {
	mu     sync.Mutex
	calls  int           // guarded by mu
	closed bool          // guarded by mu
	empty  chan struct{} // guarded by mu; made by close, closed with the last call
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.calls++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls--
	g.signalLocked()
}

// close shuts the gate and waits until nobody is inside, or ctx ends.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	if g.empty == nil {
		g.empty = make(chan struct{})
		g.closed = true
		g.signalLocked()
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) signalLocked() {
	if g.closed && g.calls == 0 {
		select {
		case <-g.empty:
		default:
			close(g.empty)
		}
	}
}
