package comet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// lease is the comet's claim to be alive, renewed at logic every few seconds.
// While it cannot be renewed the links stay, and new ones are answered as
// unavailable, since logic does not answer them. Settling is once, at the
// start: later, jobs keep a comet that is absent from the registry as long as
// their stream to it lives.
type lease struct {
	s       *Server
	counter uint64                // of renewals; owned by run
	until   atomic.Int64          // end of the lease since Server.start, by the monotonic clock
	refused atomic.Pointer[error] // why it must not serve
	settled chan struct{}         // closed Settle after the first renewal
	done    chan struct{}         // closed when run has returned
}

// Why a comet takes no links.
var (
	// ErrNoLease: it is not registered at logic.
	ErrNoLease = errors.New("comet: not registered at logic")
	// ErrTrusting: authentication is open and the comet can be reached from
	// beyond this machine. It comes wrapped with the address.
	ErrTrusting = errors.New("comet: authentication is open, which is for loopback only")
)

func newLease(s *Server) *lease {
	return &lease{s: s, settled: make(chan struct{}), done: make(chan struct{})}
}

// run renews until ctx is over. A failure is tried again after a tenth of the
// interval at first, doubling up to the interval.
func (l *lease) run(ctx context.Context) {
	defer close(l.done)
	every := l.s.cfg.Times.Renew
	pause := every / 10
	for {
		wait := l.interval()
		if err := l.renew(ctx); err != nil && ctx.Err() == nil {
			l.s.cfg.Log.Warn("lease not renewed", "error", err, "retry_in", pause)
			l.s.renewFailed.Add(1)
			wait, pause = pause, min(every, 2*pause)
		} else {
			pause = every / 10
		}
		select {
		case <-ctx.Done():
			return
		case <-l.s.nudge:
		case <-time.After(wait):
		}
	}
}

// settling is into how many renewals Settle is cut.
const settling = 4

// interval is the time to the next renewal. While the comet settles it is
// shorter: jobs that have not heard of it yet learn of it by its record only,
// and a registry that lost the record just then must have it again before the
// first link is let in.
func (l *lease) interval() time.Duration {
	t := &l.s.cfg.Times
	select {
	case <-l.settled:
		return t.Renew
	default:
		return min(t.Renew, t.Settle/settling)
	}
}

func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.s.cfg.Times.Sessions)
	defer cancel()
	l.counter++
	l.s.traces.Trim(time.Now())
	begun := time.Now()
	r, own := l.s.report(l.counter), l.s.digests()
	r.Leased = l.until.Load() != 0
	got, err := l.s.logic.Renew(ctx, r)
	if err != nil {
		return err
	}
	if addr := l.s.beyondLoopback(); got.TrustsClients && addr != "" {
		err := fmt.Errorf("%w; this comet listens on %q", ErrTrusting, addr)
		l.refused.Store(&err)
		return err
	}
	l.refused.Store(nil)
	l.s.census.learn(got.Rooms, r.Rooms)
	l.s.mender.compare(l.counter, own, got.Digests)
	if l.until.Swap(int64(begun.Add(got.Lease).Sub(l.s.start))) == 0 {
		time.AfterFunc(l.s.cfg.Times.Settle, func() {
			close(l.settled)
			l.s.pump.begin()
		})
	}
	return nil
}

// err says why connects are not taken; nil if they are.
func (l *lease) err() error {
	if refused := l.refused.Load(); refused != nil {
		return *refused
	}
	if !l.open() {
		return ErrNoLease
	}
	return nil
}

// open reports whether connects are taken.
func (l *lease) open() bool {
	select {
	case <-l.settled:
		return l.held()
	default:
		return false
	}
}

// held reports whether the lease is valid.
func (l *lease) held() bool { return int64(time.Since(l.s.start)) < l.until.Load() }

func (s *Server) report(counter uint64) Report {
	return Report{
		TCPAddr: s.TCPAddr(), WSAddr: s.WSAddr(),
		Links: uint64(max(0, s.links.Load())), MaxLinks: uint64(s.cfg.Limits.Links),
		Draining: s.draining.Load(), Counter: counter,
		Connects: s.opened(), Rooms: s.census.counts(),
	}
}
