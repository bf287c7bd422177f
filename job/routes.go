package job

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Times of reading the list.
const (
	// listTimeout of one call to the directory.
	listTimeout = 5 * time.Second
	// listGap between two reads, however many records ask for one.
	listGap = 20 * time.Millisecond
	// listBackoff is the longest wait after a read that failed.
	listBackoff = 5 * time.Second
)

// routes knows the outlets, one a comet, and keeps them in step with the
// directory's list. While the directory is away the last list stays in force:
// comets do not go because logic does.
type routes struct {
	directory Directory                 // immutable
	openFn    func(OutletConfig) Outlet // immutable
	refresh   time.Duration             // immutable
	fresh     time.Duration             // immutable; how old the list may be
	now       func() time.Time          // immutable
	log       *slog.Logger              // immutable

	kick  chan struct{} // a record is addressed to a comet that is not listed
	first chan struct{} // closed when the list has been read once

	mu      sync.Mutex
	outlets map[ServerID]*route // guarded by mu
	asked   time.Time           // guarded by mu; when the list in force was asked for
	kept    kept                // guarded by mu

	relief relief
}

// route is one comet.
type route struct {
	outlet Outlet
	// living: the list names it, or a stream to it is alive. What is for all is
	// for the living.
	living bool
	// planned are deliveries of the plan under way.
	planned []Delivery
}

func newRoutes(cfg Config) *routes {
	return &routes{
		directory: cfg.Directory, openFn: cfg.Open, refresh: cfg.Refresh, log: cfg.Log,
		fresh: cfg.Fresh, now: cfg.Now,
		kick:    make(chan struct{}, 1),
		first:   make(chan struct{}),
		outlets: make(map[ServerID]*route),
		relief:  relief{next: make(chan struct{})},
	}
}

// run reads the list until ctx is over.
func (r *routes) run(ctx context.Context) {
	fails := 0
	for ctx.Err() == nil {
		asked := time.Now()
		if err := r.read(ctx); err != nil {
			if fails == 0 && ctx.Err() == nil {
				r.log.Warn("job: the list of comets cannot be read; the last one stays in force", "err", err)
			}
			r.giveUp()
			sleep(ctx, backoff(fails))
			fails++
			continue
		}
		if fails > 0 {
			r.log.Info("job: the list of comets is read again", "failures", fails)
		}
		fails = 0
		r.rest(ctx, asked)
	}
}

// rest waits until the next read is due or a record asks for it.
func (r *routes) rest(ctx context.Context, asked time.Time) {
	every := r.refresh
	if r.count() == 0 {
		// Everything begins with an empty list: the first comet should not wait.
		every /= 20
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-r.kick:
		sleep(ctx, listGap-time.Since(asked))
	}
}

// read reads the list once and puts it into force.
func (r *routes) read(ctx context.Context) error {
	// What is offered from here on is not judged by this list.
	seqs, asked := r.seqs(), r.now()
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	comets, err := r.directory.Comets(ctx)
	if err != nil {
		return err
	}
	r.apply(comets, seqs, asked)
	select {
	case <-r.first:
	default:
		close(r.first)
	}
	return nil
}

func (r *routes) seqs() map[ServerID]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	seqs := make(map[ServerID]uint64, len(r.outlets))
	for server, to := range r.outlets {
		seqs[server] = to.outlet.Seq()
	}
	return seqs
}

// apply puts a list into force. seqs are what the outlets had been offered
// before it was asked for.
func (r *routes) apply(comets []Comet, seqs map[ServerID]uint64, asked time.Time) {
	r.mu.Lock()
	r.asked = asked
	var idle []Outlet
	var newcomers []*route
	named := make(map[ServerID]bool, len(comets))
	for _, c := range comets {
		named[c.Server] = true
		to := r.outletLocked(c.Server)
		if !to.living {
			newcomers = append(newcomers, to)
		}
		to.living = true
		to.outlet.Locate(c.Addr)
	}
	caughtUp := r.catchUpLocked(newcomers)
	for server, seq := range seqs {
		if named[server] {
			continue
		}
		to := r.outlets[server]
		alive, empty := to.outlet.Missing(seq)
		to.living = alive
		if empty {
			delete(r.outlets, server)
			idle = append(idle, to.outlet)
		}
	}
	r.mu.Unlock()
	finish(caughtUp, Outcome{Spared: true})
	r.relief.tell() // there may be fewer to wait for
	for _, o := range idle {
		o.Close()
	}
}

// outletLocked finds or opens the outlet of server.
func (r *routes) outletLocked(server ServerID) *route {
	to := r.outlets[server]
	if to == nil {
		to = &route{outlet: r.openFn(OutletConfig{Server: server, Relieved: r.relief.tell})}
		r.outlets[server] = to
	}
	return to
}

// wait returns when the list has been read once.
func (r *routes) wait(ctx context.Context) error {
	select {
	case <-r.first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *routes) listed() bool {
	select {
	case <-r.first:
		return true
	default:
		return false
	}
}

// room reports whether some living comet has room, or there is none.
func (r *routes) room() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	living := 0
	for _, to := range r.outlets {
		if !to.living {
			continue
		}
		if to.outlet.Room() {
			return true
		}
		living++
	}
	return living == 0
}

// count is how many comets are alive.
func (r *routes) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.livingLocked()
}

func (r *routes) livingLocked() (n int) {
	for _, to := range r.outlets {
		if to.living {
			n++
		}
	}
	return n
}

// forget drops what waits for a partition that has been revoked.
func (r *routes) forget(owner Owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range r.outlets {
		to.outlet.Forget(owner)
	}
	r.kept.forget(owner)
}

// ask has the list read soon.
func (r *routes) ask() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// close ends every outlet.
func (r *routes) close() {
	r.mu.Lock()
	outlets := r.outlets
	r.outlets = make(map[ServerID]*route)
	r.mu.Unlock()
	for _, to := range outlets {
		to.outlet.Close()
	}
}

// backoff after a failure: 50 ms doubling to listBackoff, a half of it random
// so that jobs do not come in step.
func backoff(fails int) time.Duration {
	d := min(50*time.Millisecond<<min(fails, 10), listBackoff)
	return d/2 + rand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
