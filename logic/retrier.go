package logic

import (
	"context"
	"sync"
	"time"
)

// retryBatch is how many things a retrier tries at once.
const retryBatch = 256

// retryTimeout bounds one try.
const retryTimeout = 5 * time.Second

// retrier keeps a bounded number of things that must still be done, oldest
// first, and tries them until they are.
type retrier[T any] struct {
	limit int
	// try returns what it could not do.
	try func(ctx context.Context, batch []T) (left []T)

	mu      sync.Mutex // guards waiting
	waiting []T
}

func newRetrier[T any](limit int, try func(context.Context, []T) []T) *retrier[T] {
	return &retrier[T]{limit: limit, try: try}
}

// add keeps things for later and returns how many did not fit.
func (r *retrier[T]) add(things []T) (dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := max(0, r.limit-len(r.waiting))
	dropped = max(0, len(things)-room)
	r.waiting = append(r.waiting, things[:len(things)-dropped]...)
	return dropped
}

// size returns how many wait.
func (r *retrier[T]) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// run tries what waits, every interval, until ctx ends.
func (r *retrier[T]) run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for r.round(ctx) {
		}
	}
}

// round tries the oldest batch and reports whether to go on at once: not if a
// part of it failed, for the rest would fail too.
func (r *retrier[T]) round(ctx context.Context) bool {
	batch := r.head()
	if len(batch) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	left := r.try(ctx, batch)
	cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.waiting[len(batch):]
	r.waiting = append(left, rest...)
	return len(left) == 0 && len(r.waiting) > 0
}

// head returns a copy of the oldest batch; only run's goroutine removes it.
func (r *retrier[T]) head() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.waiting[:min(retryBatch, len(r.waiting))]...)
}
