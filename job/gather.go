package job

import (
	"context"
	"sync"
)

// gather collects what comes and has it handled a batch at a time, in order:
// whatever waits when one batch has been handled is the next. Its owner bounds
// it by looking at size before more can come.
type gather[T any] struct {
	most     int                                  // immutable; of a batch
	handle   func(ctx context.Context, batch []T) // immutable; ends early only with ctx
	relieved func()                               // immutable; called after each batch; must not block
	came     chan struct{}

	mu      sync.Mutex
	waiting []T // guarded by mu
	under   int // guarded by mu; being handled
}

func newGather[T any](most int, handle func(context.Context, []T), relieved func()) *gather[T] {
	return &gather[T]{most: most, handle: handle, relieved: relieved, came: make(chan struct{}, 1)}
}

// add never blocks.
func (g *gather[T]) add(one T) {
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	g.mu.Unlock()
	select {
	case g.came <- struct{}{}:
	default:
	}
}

// size is how many wait or are being handled.
func (g *gather[T]) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting) + g.under
}

// run handles until ctx is over; what waits then is left.
func (g *gather[T]) run(ctx context.Context) {
	for {
		if batch := g.take(); len(batch) > 0 {
			g.handle(ctx, batch)
			g.done()
			g.relieved()
			continue
		}
		select {
		case <-g.came:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (g *gather[T]) take() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(g.most, len(g.waiting))
	batch := g.waiting[:n:n]
	g.waiting, g.under = g.waiting[n:], n
	if len(g.waiting) == 0 {
		g.waiting = nil
	}
	return batch
}

func (g *gather[T]) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under = 0
}
