package consume

import (
	"context"
	"sync"
)

// budgetBytes may lie in the inboxes of a session's workers, and one poll more.
const budgetBytes = 16 << 20

// budget bounds what has been polled and not handed on. The poll waits for it
// with no rebalance blocked; workers only wait when no comet has room.
type budget struct {
	mu    sync.Mutex
	max   int           // immutable after init
	used  int           // guarded by mu
	freed chan struct{} // guarded by mu; closed when used falls below max
}

func (b *budget) init(max int) {
	b.max = max
	b.freed = make(chan struct{})
}

func (b *budget) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.used >= b.max
	b.used += n
	if was && b.used < b.max {
		close(b.freed)
		b.freed = make(chan struct{})
	}
}

// wait returns when there is something left. The error is ctx's.
func (b *budget) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		ok, freed := b.used < b.max, b.freed
		b.mu.Unlock()
		if ok {
			return ctx.Err()
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
