// Package balance says in which order clients should try the comets: the
// nearest region first, and within a region by free capacity, drawn by lot so
// that a crowd that asks at the same moment spreads.
package balance

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"
)

// ErrNone: no comet takes links now.
var ErrNone = errors.New("no comet takes links now")

// assumedMax is taken for a comet that names no maximum of links.
const assumedMax = 1 << 20

// Node is a comet as clients see it.
type Node struct {
	Name string
	// TCPAddr and WSAddr are host or host:port; empty: not offered.
	TCPAddr, WSAddr string
	Region          string
	// Weight scales the free capacity. Zero means 1.
	Weight uint32
	// Links it has, of MaxLinks; zero means no limit is known.
	Links, MaxLinks uint64
	Draining        bool
}

// Advice is what clients are told beside the addresses.
type Advice struct {
	// Domain is goim's default domain. Empty: the first node's host.
	Domain string
	// Ports where a node names none. Zero means 3101 and 3102, and no wss.
	TCPPort, WSPort, WSSPort int
	// Heartbeat interval. Zero means 30 s.
	Heartbeat time.Duration
	// HeartbeatMax is how many heartbeats may fail. Zero means 3.
	HeartbeatMax int
	// Backoff between tries to connect. Zero means Backoff{300 s, 3 s, 1.8, 0.3}.
	Backoff Backoff
	// Nodes is the longest list. Zero means 5.
	Nodes int
	// Atlas says where clients and regions are.
	Atlas Atlas
}

// Backoff advises how long to wait before the n-th try: BaseDelay × Factor^n,
// at most MaxDelay, give or take Jitter of it.
type Backoff struct {
	MaxDelay, BaseDelay time.Duration
	Factor, Jitter      float64
}

// Plan is the answer to one client.
type Plan struct {
	Domain                   string
	TCPPort, WSPort, WSSPort int
	Heartbeat                time.Duration
	HeartbeatMax             int
	Backoff                  Backoff
	// Nodes are addresses in the order to try: WebSocket's for platform "web",
	// TCP's otherwise. The port is left out where it is the plan's own.
	Nodes []string
}

// Balancer makes plans. Its methods may be called concurrently.
type Balancer struct {
	advice Advice
	random func() float64
}

// New returns a Balancer. random returns numbers in [0, 1) and may be called
// concurrently; nil means math/rand/v2.
func New(advice Advice, random func() float64) *Balancer {
	if random == nil {
		random = rand.Float64
	}
	def(&advice.TCPPort, 3101)
	def(&advice.WSPort, 3102)
	def(&advice.Heartbeat, 30*time.Second)
	def(&advice.HeartbeatMax, 3)
	def(&advice.Backoff, Backoff{MaxDelay: 300 * time.Second, BaseDelay: 3 * time.Second, Factor: 1.8, Jitter: 0.3})
	def(&advice.Nodes, 5)
	return &Balancer{advice: advice, random: random}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// PlatformWeb is goim's word for clients that use WebSocket.
const PlatformWeb = "web"

// Plan orders nodes for a client: the nearest region first, then as lots
// weighted by free capacity fall. Draining and full nodes are left out; the
// error is ErrNone if no other is left.
func (b *Balancer) Plan(nodes []Node, c Client) (Plan, error) {
	a := b.advice
	plan := Plan{
		Domain: a.Domain, TCPPort: a.TCPPort, WSPort: a.WSPort, WSSPort: a.WSSPort,
		Heartbeat: a.Heartbeat, HeartbeatMax: a.HeartbeatMax, Backoff: a.Backoff,
	}
	for _, n := range b.order(nodes, c) {
		addr, usual := n.TCPAddr, a.TCPPort
		if c.Platform == PlatformWeb {
			addr, usual = n.WSAddr, a.WSPort
		}
		if addr != "" && len(plan.Nodes) < a.Nodes {
			plan.Nodes = append(plan.Nodes, short(addr, usual))
		}
	}
	if len(plan.Nodes) == 0 {
		return Plan{}, ErrNone
	}
	if plan.Domain == "" {
		plan.Domain = host(plan.Nodes[0])
	}
	return plan, nil
}

// order draws the nodes by lot: with u uniform in (0, 1], the order by
// -ln(u)/weight is that of drawing without replacement in proportion to the
// weights (Efraimidis and Spirakis, 2006).
func (b *Balancer) order(nodes []Node, c Client) []Node {
	type ticket struct {
		Node
		far float64
		lot float64
	}
	here := b.advice.Atlas.place(c)
	tickets := make([]ticket, 0, len(nodes))
	for _, n := range nodes {
		free := n.free()
		if free == 0 || n.Draining {
			continue
		}
		tickets = append(tickets, ticket{
			Node: n, far: b.advice.Atlas.far(here, n.Region), lot: -math.Log(1-b.lot(c, n.Name)) / free,
		})
	}
	slices.SortFunc(tickets, func(a, b ticket) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.lot, b.lot), cmp.Compare(a.Name, b.Name))
	})
	ordered := make([]Node, len(tickets))
	for i, t := range tickets {
		ordered[i] = t.Node
	}
	return ordered
}

// free is a node's weighted free capacity; 0 if it is full.
func (n Node) free() float64 {
	most := n.MaxLinks
	if most == 0 {
		most = max(assumedMax, 2*n.Links)
	}
	if n.Links >= most {
		return 0
	}
	return float64(most-n.Links) * float64(max(1, n.Weight))
}

// short leaves the usual port out of an address.
func short(addr string, usual int) string {
	if h, port, err := net.SplitHostPort(addr); err == nil && port == strconv.Itoa(usual) {
		return h
	}
	return addr
}

func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}
