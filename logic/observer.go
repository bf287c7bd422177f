package logic

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// readTimeout bounds one read of the registry.
const readTimeout = 2 * time.Second

// goneKept is how many servers that are no more are remembered, so that each
// session that they left behind does not cost a read of the registry.
const goneKept = 4096

// observer watches the comets in the registry and judges who is alive.
//
// A comet is dead when its counter has not moved for the lease, on this
// process's monotonic clock. Time in which the registry could not be read, or
// in which this process itself stood still, does not count: after it every
// comet gets a whole lease again. A comet that the registry no longer names is
// dead by the same rule and no sooner: its record may have been lost. Only a
// goodbye ends a lease early.
//
// The view is complete if it names each comet that may have links. A registry
// that has just begun, or has lost records, names only those that have renewed
// since. So an observer that has not seen what was there before must wait until
// all have: for Gather after the beginning, and for a lease after a loss, since
// a comet that does not renew for so long is dead. One that has watched all the
// time has no need to.
//
// A comet that restarts under its name buries what it was before at once, since
// what is offered to the former run until its lease ends would be counted as
// dropped. Names are meant to be unique; where two processes share one all the
// same, both hold links, and the elder must not lose them to a mistake in a
// configuration. So it is raised from the dead when it is seen to renew twice:
// its last renewal before it died may come to light after its successor's first,
// a second one cannot.
type observer struct {
	// Immutable.
	registry Registry
	lease    time.Duration
	refresh  time.Duration
	gather   time.Duration
	clock    func() time.Time

	// reading is held while the registry is read; begun counts the reads.
	reading sync.Mutex
	begun   atomic.Uint64

	// mu guards what follows; nothing is called out while it is held.
	mu       sync.Mutex
	lastRead time.Time // of the last read that succeeded
	err      error     // of the last read
	complete bool      // as of the last read
	comets   map[ident.Server]*sighting
	gone     map[ident.Server]struct{}
	rooms    map[string]int32        // links in each room on living comets
	version  uint64                  // goes up with each change of rooms
	counts   map[string]*regionCount // by region
}

// sighting is what the observer knows of one comet.
type sighting struct {
	Comet
	moved time.Time // when the counter was last seen to move
	dead  bool
	// wary is how many moves must be seen before it is alive again, since a later
	// run of the same comet has been seen.
	wary  int
	rooms map[string]int32 // what it contributes to observer.rooms
}

func newObserver(cfg Config) *observer {
	return &observer{
		registry: cfg.Registry, lease: cfg.Lease, refresh: cfg.Refresh, gather: cfg.Gather, clock: cfg.Clock,
		err:    errors.New("not read yet"),
		comets: make(map[ident.Server]*sighting),
		gone:   make(map[ident.Server]struct{}),
		rooms:  make(map[string]int32),
		counts: make(map[string]*regionCount),
	}
}

// fresh returns after a read of the registry that began after fresh was
// called. Callers at the same moment share one.
func (o *observer) fresh(ctx context.Context) error {
	arrived := o.begun.Load()
	o.reading.Lock()
	defer o.reading.Unlock()
	if o.begun.Load() > arrived {
		return o.readable()
	}
	o.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	err := o.read(ctx)
	o.mu.Lock()
	o.err = err
	o.mu.Unlock()
	return err
}

// readable returns the error of the last read.
func (o *observer) readable() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *observer) read(ctx context.Context) error {
	list, err := o.registry.Comets(ctx)
	if err != nil {
		return err
	}
	moved := o.judge(&list)
	if len(moved) == 0 {
		return nil
	}
	rooms, err := o.registry.Rooms(ctx, moved)
	if err != nil {
		return err
	}
	o.count(moved, rooms)
	return nil
}

// judge takes over a list of comets and returns those whose rooms must be read
// because their counter moved.
func (o *observer) judge(list *Listing) (moved []ident.Server) {
	now := o.clock()
	o.mu.Lock()
	defer o.mu.Unlock()
	// Half a lease without a read and a renewal's interval are less than a
	// lease, so shorter gaps need no pardon.
	stood := now.Sub(o.lastRead) > o.lease/2
	o.completeLocked(list, now)
	o.lastRead = now
	listed := make(map[ident.Server]struct{}, len(list.Comets))
	for _, c := range list.Comets {
		listed[c.Server] = struct{}{}
		if c.Left {
			o.forgetLocked(c.Server)
		} else if o.sightLocked(c, now, stood) {
			moved = append(moved, c.Server)
		}
	}
	for server, s := range o.comets {
		if _, ok := listed[server]; ok {
			continue
		}
		if o.ageLocked(s, now, stood); s.dead {
			o.forgetLocked(server)
		}
	}
	return moved
}

// completeLocked judges whether, with list, the view is complete. A comet lets
// no link in for two refreshes after it has registered, and renews every half
// refresh until then. So if it came after the last read and was lost before this
// one, it is there again before its first link, unless the two lie further apart
// than one and a half.
func (o *observer) completeLocked(list *Listing, now time.Time) {
	switch {
	case list.Age >= o.gather && list.Loss >= o.lease:
		o.complete = true
	case now.Sub(o.lastRead) > o.refresh*3/2:
		o.complete = false
	}
}

// whole reports whether the view is complete, as of the last read.
func (o *observer) whole() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.complete
}

// sightLocked notes one listed comet and reports whether its counter moved.
func (o *observer) sightLocked(c Comet, now time.Time, stood bool) bool {
	s := o.comets[c.Server]
	if s == nil {
		delete(o.gone, c.Server)
		s = &sighting{Comet: c, moved: now}
		o.comets[c.Server] = s
		o.succeedLocked(s)
		return !s.dead
	}
	if c.Counter > s.Counter {
		s.wary = max(0, s.wary-1)
		s.Comet, s.moved, s.dead = c, now, s.wary > 0
		return !s.dead
	}
	o.ageLocked(s, now, stood)
	return false
}

// ageLocked takes a comet whose counter has not moved for dead when its lease is
// over, or gives it a new one if nobody has looked meanwhile.
func (o *observer) ageLocked(s *sighting, now time.Time, stood bool) {
	switch {
	case s.dead:
	case stood:
		s.moved = now
	case now.Sub(s.moved) > o.lease:
		s.dead = true
		o.contributeLocked(s, nil)
	}
}

// succeedLocked buries the earlier runs of a comet that is seen for the first
// time, or itself if a later run is known.
func (o *observer) succeedLocked(s *sighting) {
	for server, other := range o.comets {
		switch {
		case s.Server.Succeeds(server):
			o.doubtLocked(other)
		case server.Succeeds(s.Server):
			o.doubtLocked(s)
		}
	}
}

// doubtLocked takes s for dead until it has been seen to renew twice.
func (o *observer) doubtLocked(s *sighting) {
	s.dead, s.wary = true, 2
	o.contributeLocked(s, nil)
}

// count takes over the room counts that were read.
func (o *observer) count(servers []ident.Server, rooms []map[string]int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, server := range servers {
		if s := o.comets[server]; s != nil && !s.dead {
			o.contributeLocked(s, rooms[i])
		}
	}
}

// contributeLocked replaces what one comet adds to the totals.
func (o *observer) contributeLocked(s *sighting, rooms map[string]int32) {
	for room, n := range s.rooms {
		if o.rooms[room] -= n; o.rooms[room] <= 0 {
			delete(o.rooms, room)
		}
	}
	for room, n := range rooms {
		if n > 0 {
			o.rooms[room] += n
		} else {
			delete(rooms, room)
		}
	}
	s.rooms = rooms
	o.version++
}

// note takes over a renewal that this process has just stored.
func (o *observer) note(c Comet, rooms map[string]int32) {
	now := o.clock()
	own := make(map[string]int32, len(rooms))
	for room, n := range rooms {
		own[room] = n
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.comets[c.Server]; s != nil && s.Counter >= c.Counter {
		return
	}
	o.sightLocked(c, now, false)
	if s := o.comets[c.Server]; !s.dead {
		o.contributeLocked(s, own)
	}
}

func (o *observer) forget(server ident.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgetLocked(server)
}

func (o *observer) forgetLocked(server ident.Server) {
	if s := o.comets[server]; s != nil {
		o.contributeLocked(s, nil)
		delete(o.comets, server)
	}
	o.buryLocked(server)
}

// buryLocked remembers that server is no more. Which of too many is dropped
// does not matter: it only costs a read.
func (o *observer) buryLocked(server ident.Server) {
	for other := range o.gone {
		if len(o.gone) < goneKept {
			break
		}
		delete(o.gone, other)
	}
	o.gone[server] = struct{}{}
}
