package logic

import (
	"context"

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
}

// Registry keeps the leases of the comets. It does not judge who is alive:
// clocks differ, so each observer watches whether a comet's counter moves, on
// its own monotonic clock, and only while the registry is readable.
type Registry interface {
	// Renew stores what a comet says, with the number of links of each of its
	// rooms. A counter not above the stored one is late and changes nothing.
	// The registry keeps no reference to rooms.
	Renew(ctx context.Context, c Comet, rooms map[string]int32) error
	// Leave removes a comet; unknown ones too.
	Leave(ctx context.Context, server ident.Server) error
	// Comets lists what is stored, dead or alive, in no order.
	Comets(ctx context.Context) ([]Comet, error)
	// Rooms answers with the room counts of each server, in order; nil for one
	// that is not stored. The caller owns the maps.
	Rooms(ctx context.Context, servers []ident.Server) ([]map[string]int32, error)
}
