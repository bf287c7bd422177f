package balance

import (
	"math"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// Client is who asks where to connect. Whatever is unknown is zero.
type Client struct {
	// Platform is goim's word: "web" gets WebSocket's addresses.
	Platform string
	// Region, At and IP say where the client is; the first that says something
	// counts. At counts if Located.
	Region  string
	At      Point
	Located bool
	IP      netip.Addr
	// ID, if not empty, makes the order the client's own: as long as the nodes
	// and what is free on them are the same, the same ID gets the same list, and
	// if a node comes or goes, the others keep their order.
	ID string
}

// Atlas says where clients and regions are. A field that is nil knows nothing.
type Atlas struct {
	Regions Regions
	Table   *Table
	MaxMind *MaxMind
}

// place is where a client is, as far as known.
type place struct {
	region  string
	at      Point
	located bool
}

// place of a client: what it says itself counts first, then the table, which
// is the operator's own, then the MaxMind file.
func (a *Atlas) place(c Client) place {
	switch {
	case c.Region != "":
		return a.inRegion(c.Region)
	case c.Located && c.At.Valid():
		return place{at: c.At, located: true}
	case !c.IP.IsValid():
		return place{}
	}
	if a.Table != nil {
		if region := a.Table.Region(c.IP); region != "" {
			return a.inRegion(region)
		}
	}
	if a.MaxMind != nil {
		region, at, located := a.MaxMind.Look(c.IP)
		if region != "" {
			return a.inRegion(region)
		}
		return place{at: at, located: located}
	}
	return place{}
}

func (a *Atlas) inRegion(region string) place {
	at, located := a.Regions[region]
	return place{region: region, at: at, located: located}
}

// far is how far a region is from a place, in kilometres; 0 is the place's own
// region, and the unknown is farther than everything.
func (a *Atlas) far(p place, region string) float64 {
	if p.region != "" && p.region == region {
		return 0
	}
	if at, known := a.Regions[region]; known && p.located {
		return p.at.distance(at) + 1 // a region that is not its own is never as near
	}
	return math.Inf(1)
}

// lot is a number in [0, 1): drawn, or the client's own for each node.
func (b *Balancer) lot(c Client, node string) float64 {
	if c.ID == "" {
		return b.random()
	}
	return float64(xxhash.Sum64String(c.ID+"\x00"+node)>>11) / (1 << 53)
}
