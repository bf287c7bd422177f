package logic

import (
	"context"
	"math"
	"time"

	"github.com/oortim/oort/proto/ident"
)

// Comet is what a comet says about itself at each renewal of its lease.
type Comet struct {
	Server ident.Server `json:"server"`
	// GRPCAddr is where jobs reach it, host:port.
	GRPCAddr string `json:"grpc_addr"`
	// TCPAddr and WSAddr are where clients reach it: host, or host:port where
	// the port is not the cluster's usual one.
	TCPAddr  string `json:"tcp_addr"`
	WSAddr   string `json:"ws_addr"`
	Region   string `json:"region"`
	Weight   uint32 `json:"weight"`
	Links    uint64 `json:"links"`
	MaxLinks uint64 `json:"max_links"`
	// Draining: no new links are wanted.
	Draining bool `json:"draining"`
	// Counter goes up with each renewal; see Registry.
	Counter uint64 `json:"counter"`
	// Connects since the comet started.
	Connects uint64 `json:"connects"`
	// Leased: it had been given a lease when it renewed. If the registry does not
	// have it, the registry has lost what it had.
	Leased bool `json:"leased"`
	// Left: it said goodbye and is no more. Only Server is set beside it.
	Left bool `json:"left,omitempty"`
}

// Listing is what a registry holds. A comet that it does not name need not be
// gone: registries lose what they had (a Redis without persistence restarts,
// a memory goes with its process), and get it again by renewals.
type Listing struct {
	// Comets that are stored, dead or alive, and those that left lately, in no
	// order.
	Comets []Comet
	// Age of the registry since the first renewal that it stored. Zero: it has
	// none. One that has lost everything begins anew.
	Age time.Duration
	// Loss is how long ago a renewal last showed that the registry had lost a
	// comet; Never if none has.
	Loss time.Duration
}

// Never is longer ago than anything.
const Never = time.Duration(math.MaxInt64)

// Registry keeps the leases of the comets. It does not judge who is alive:
// clocks differ, so each observer watches whether a comet's counter moves, on
// its own monotonic clock, and only while the registry is readable. Nor does it
// judge whether it is complete: see Listing.
type Registry interface {
	// Renew stores what a comet says, with the number of links of each of its
	// rooms. A counter not above the stored one is late and changes nothing.
	// The registry keeps no reference to rooms.
	Renew(ctx context.Context, c Comet, rooms map[string]int32) error
	// Leave marks a comet as Left for a while, unknown ones too. Renewals that
	// come after it are late.
	Leave(ctx context.Context, server ident.Server) error
	// Comets lists what is stored.
	Comets(ctx context.Context) (Listing, error)
	// Rooms answers with the room counts of each server, in order; nil for one
	// that is not stored. The caller owns the maps.
	Rooms(ctx context.Context, servers []ident.Server) ([]map[string]int32, error)
}
