package comet

import "sync"

// gate bounds the bytes of pushes that wait for one loop.
type gate struct {
	most int

	mu     sync.Mutex
	room   *sync.Cond
	used   int  // guarded by mu
	closed bool // guarded by mu
}

func newGate(most int) *gate {
	g := &gate{most: most}
	g.room = sync.NewCond(&g.mu)
	return g
}

// enter waits until n bytes fit, or nothing is in; false if the gate closed.
func (g *gate) enter(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.used > 0 && g.used+n > g.most && !g.closed {
		g.room.Wait()
	}
	g.used += n
	return !g.closed
}

func (g *gate) leave(n int) {
	g.mu.Lock()
	g.used -= n
	g.mu.Unlock()
	g.room.Broadcast()
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.room.Broadcast()
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
