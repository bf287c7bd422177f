package chaos

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/bench/chaos/proxy"
)

// starting is how young a part may be to give up because another is away.
const starting = 15 * time.Second

// comeback bounds how long a part may take to serve again.
const comeback = 2 * time.Minute

// breaker does what a plan says and writes it down.
type breaker struct {
	clock   func() time.Duration
	fleet   *fleet.Fleet
	proxies map[string]*proxy.Proxy // by part
	books   *books
	tell    func(format string, args ...any)

	mu     sync.Mutex
	events []history.Event // guarded by mu
	errs   []error         // guarded by mu; what went wrong with the parts themselves
	down   map[string]bool // guarded by mu; parts that we have stopped
}

// run does the acts, each at its time after now, and returns when all parts
// serve again. At the end of ctx it begins nothing any more, and mends.
func (b *breaker) run(ctx context.Context, acts []act) {
	start := time.Now()
	var wg sync.WaitGroup
	for _, a := range acts {
		sleep(ctx, a.at-time.Since(start))
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() { b.do(ctx, a) })
	}
	wg.Wait()
}

func (b *breaker) do(ctx context.Context, a act) {
	part := b.fleet.Part(a.part)
	e := history.Event{Part: a.part, What: a.what, From: b.clock()}
	b.tell("%s %s for %v", a.what, a.part, a.last.Round(time.Millisecond))
	if part.Admin != "" {
		b.books.look(part)
	}
	b.setDown(a.part, true)
	err := b.hurt(ctx, part, a.what)
	if err == nil {
		sleep(ctx, a.last)
		err = b.mend(part, a.what)
	}
	e.To = b.clock()
	b.setDown(a.part, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("%s %s: %w", a.what, a.part, err))
	}
}

func (b *breaker) setDown(part string, down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down[part] = down
}

// watch looks for parts that end though nobody has ended them, which is a
// defect, and starts them again.
func (b *breaker) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, p := range b.fleet.Parts {
			if b.ended(p) {
				b.tell("%s ENDED BY ITSELF", p.Name)
				_ = p.Start() // if it cannot, the next round says so again
			}
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

func (b *breaker) ended(p *fleet.Part) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down[p.Name] || p.Running() {
		return false
	}
	at := b.clock()
	b.events = append(b.events, history.Event{Part: p.Name, What: "ended by itself", From: at, To: at})
	if p.Age() > starting {
		b.errs = append(b.errs, fmt.Errorf("%s ended by itself at %v", p.Name, at.Round(time.Millisecond)))
	}
	return true
}

var modes = map[string]proxy.Mode{refuse: proxy.Refuse, silence: proxy.Silence, oneWay: proxy.OneWay}

func (b *breaker) hurt(ctx context.Context, part *fleet.Part, what string) error {
	switch what {
	case kill:
		part.Kill()
	case stop:
		part.Stop()
	case pause:
		return part.Signal(syscall.SIGSTOP)
	case wipe:
		return b.fleet.Wipe(ctx)
	default:
		b.proxies[part.Name].Set(modes[what])
	}
	return nil
}

// mend undoes it, and waits until the part serves.
func (b *breaker) mend(part *fleet.Part, what string) error {
	switch what {
	case kill, stop:
		if err := part.Start(); err != nil {
			return err
		}
	case pause:
		if err := part.Signal(syscall.SIGCONT); err != nil {
			return err
		}
	case wipe:
	default:
		b.proxies[part.Name].Set(proxy.Pass)
	}
	ctx, cancel := context.WithTimeout(context.Background(), comeback)
	defer cancel()
	return part.Revive(ctx)
}
