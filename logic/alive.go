package logic

import (
	"context"
	"errors"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// alive tells the living ones of servers. A server that was never seen may
// have registered a moment ago with another logic, so the registry is read
// once more before it counts as dead; an error means that it could not be, or
// does not have everybody yet.
//
// The caller must have read the sessions that name the servers before: a comet
// registers before its first session, so a later read cannot miss it.
func (o *observer) alive(ctx context.Context, servers []ident.Server) (map[ident.Server]bool, error) {
	alive, strangers := o.known(servers)
	if len(strangers) == 0 {
		return alive, nil
	}
	if err := o.fresh(ctx); err != nil {
		return nil, err
	}
	again, strangers := o.known(strangers)
	for server, ok := range again {
		alive[server] = ok
	}
	if len(strangers) > 0 && !o.whole() {
		return nil, errIncomplete
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, server := range strangers {
		o.buryLocked(server)
	}
	return alive, nil
}

// errIncomplete: which comets live is not known yet.
var errIncomplete = errors.New("it has begun anew or lost records, and not every comet may have renewed yet")

// known splits servers into those that it can judge and strangers.
func (o *observer) known(servers []ident.Server) (alive map[ident.Server]bool, strangers []ident.Server) {
	alive = make(map[ident.Server]bool, len(servers))
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, server := range servers {
		if s := o.comets[server]; s != nil {
			alive[server] = !s.dead
		} else if _, gone := o.gone[server]; !gone {
			strangers = append(strangers, server)
		}
	}
	return alive, strangers
}

// living lists the comets whose lease lives.
func (o *observer) living() []Comet {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Comet, 0, len(o.comets))
	for _, s := range o.comets {
		if !s.dead {
			list = append(list, s.Comet)
		}
	}
	return list
}

// offered lists the comets to which clients are sent: like living, but a comet
// is left out a little earlier, since it was seen to move up to a refresh after
// it renewed, and is looked at up to a refresh after it should have. Silence
// counts up to the last read, so that a registry that is away takes nobody out.
func (o *observer) offered(early time.Duration) []Comet {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Comet, 0, len(o.comets))
	for _, s := range o.comets {
		if !s.dead && o.lastRead.Sub(s.moved) <= o.lease-early {
			list = append(list, s.Comet)
		}
	}
	return list
}

// totals answers with the cluster's links for each of the asked rooms.
func (o *observer) totals(asked map[string]int32) map[string]int32 {
	totals := make(map[string]int32, len(asked))
	o.mu.Lock()
	defer o.mu.Unlock()
	for room := range asked {
		totals[room] = o.rooms[room]
	}
	return totals
}
