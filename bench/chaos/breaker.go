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
	down   map[string]bool // guarded by mu; parts that somebody has taken over
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
	b.allServe(ctx)
}

func (b *breaker) do(ctx context.Context, a act) {
	if !b.take(ctx, a.part) {
		b.tell("no %s of %s, which does not serve", a.what, a.part)
		return
	}
	part := b.fleet.Part(a.part)
	e := history.Event{Part: a.part, What: a.what, From: b.clock()}
	b.tell("%s %s for %v", a.what, a.part, a.last.Round(time.Millisecond))
	if part.Admin != "" {
		b.books.look(part)
	}
	err := b.hurt(ctx, part, a.what)
	if err == nil {
		sleep(ctx, a.last)
		err = b.mend(part, a.what)
	}
	e.To = b.clock()
	b.done(e, err)
}

// allServe waits until nobody has taken a part over, as long as a part may take
// to serve again.
func (b *breaker) allServe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, comeback)
	defer cancel()
	for ctx.Err() == nil && b.anyDown() {
		sleep(ctx, 50*time.Millisecond)
	}
}

func (b *breaker) anyDown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, down := range b.down {
		if down {
			return true
		}
	}
	return false
}

// watch looks for parts that end though nobody has ended them, which is a
// defect unless they are just starting, and has them started again.
func (b *breaker) watch(ctx context.Context) {
	var reviving sync.WaitGroup
	defer reviving.Wait()
	for ctx.Err() == nil {
		for _, p := range b.fleet.Parts {
			if b.ended(p) {
				reviving.Go(func() { b.revive(ctx, p) })
			}
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// ended reports whether p has ended by itself, and takes it over.
func (b *breaker) ended(p *fleet.Part) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down[p.Name] || p.Running() {
		return false
	}
	b.down[p.Name] = true
	if p.Age() > starting {
		b.errs = append(b.errs, fmt.Errorf("%s ended by itself at %v", p.Name, b.clock().Round(time.Millisecond)))
	}
	return true
}

// revive has p, which ended gives, serve again.
func (b *breaker) revive(ctx context.Context, p *fleet.Part) {
	b.tell("%s ENDED BY ITSELF", p.Name)
	e := history.Event{Part: p.Name, What: history.Crash, From: b.clock()}
	err := p.Start()
	if err == nil {
		err = p.Revive(ctx)
	}
	e.To = b.clock()
	if ctx.Err() != nil {
		err = nil
	}
	b.done(e, err)
	b.tell("%s serves again", p.Name)
}

// done writes down what was done to a part that was taken over, and gives it back.
func (b *breaker) done(e history.Event, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down[e.Part] = false
	b.events = append(b.events, e)
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("%s %s: %w", e.What, e.Part, err))
	}
}

// take takes a part over to do something to it, or gives up when it does not
// serve for as long as rest.
func (b *breaker) take(ctx context.Context, part string) bool {
	ctx, cancel := context.WithTimeout(ctx, rest)
	defer cancel()
	for {
		b.mu.Lock()
		free := !b.down[part]
		if free {
			b.down[part] = true
		}
		b.mu.Unlock()
		if free || ctx.Err() != nil {
			return free
		}
		sleep(ctx, 50*time.Millisecond)
	}
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
