package job

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/proto/pushpb"
)

// plan gathers where the records of one step go, so that each outlet is called
// once. From plan to end it holds the routes: a list that comes meanwhile waits,
// and no outlet is closed under it. Outlets never block, so this is short.
type plan struct {
	routes  *routes
	of      *partition
	touched []*route
	unknown bool // some comet is not listed, or perhaps not
	now     time.Time
	stale   bool // the list is too old to name all comets
}

// plan begins a plan; end it.
func (r *routes) plan(of *partition) *plan {
	r.mu.Lock()
	now := r.now()
	stale := now.Sub(r.asked) > r.fresh
	return &plan{routes: r, of: of, now: now, stale: stale, unknown: stale}
}

// end lets the routes go.
func (p *plan) end() {
	out := p.routes.kept.cut(p.now.Add(-keptFor))
	p.routes.mu.Unlock()
	finish(out, Outcome{Drop: ReasonUnknown})
	if p.unknown {
		p.routes.ask()
	}
}

// every plans d for each living comet and returns how many there are, with one
// more while there may be others.
func (p *plan) every(d Delivery) int {
	n := p.keep(d)
	for _, to := range p.routes.outlets {
		if to.living {
			p.add(to, d)
			n++
		}
	}
	return n
}

// keep keeps d for comets that the list does not name yet, if that may be.
func (p *plan) keep(d Delivery) int {
	if !p.stale {
		return 0
	}
	p.routes.kept.put(keptRecord{d, p.of, p.now, ""})
	return 1
}

// shared is every for a push to all: the living comets share its speed.
func (p *plan) shared(d Delivery) int {
	speed := d.Push.Speed
	if speed == 0 {
		return p.every(d)
	}
	kept := p.keep(d)
	living := p.living()
	for i, to := range living {
		d.Push = withSpeed(d.Push, share(speed, int64(len(living)), int64(i)))
		p.add(to, d)
	}
	return len(living) + kept
}

// one plans d for the comet server. One that is not listed gets an outlet too,
// and the list is read again: it may be younger than the list, or gone.
func (p *plan) one(server ServerID, d Delivery) int {
	to := p.routes.outletLocked(server)
	p.unknown = p.unknown || !to.living
	if p.stale && !to.living {
		p.routes.kept.put(keptRecord{d, p.of, p.now, server})
		return 1
	}
	p.add(to, d)
	return 1
}

func (p *plan) add(to *route, d Delivery) {
	if len(to.planned) == 0 {
		p.touched = append(p.touched, to)
	}
	to.planned = append(to.planned, d)
}

// offer hands the plan to the outlets.
func (p *plan) offer() {
	for _, to := range p.touched {
		to.offer()
	}
	p.touched = nil
}

// offer hands on what is planned for the route.
func (to *route) offer() {
	if len(to.planned) == 0 {
		return
	}
	to.outlet.Offer(to.planned)
	clear(to.planned)
	to.planned = to.planned[:0]
}

func (p *plan) living() []*route {
	var living []*route
	for _, to := range p.routes.outlets {
		if to.living {
			living = append(living, to)
		}
	}
	return living
}

// share is the i-th of n shares of speed, in links a second. A share of 0 would
// mean unlimited, so the least is 1.
func share(speed, n, i int64) int64 {
	s := speed / n
	if i < speed%n {
		s++
	}
	return max(s, 1)
}

func withSpeed(p *pushpb.Push, speed int64) *pushpb.Push {
	c := proto.CloneOf(p)
	c.Speed = speed
	return c
}
