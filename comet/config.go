package comet

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// Config of a comet. The zero value of a field means its default.
type Config struct {
	// Server is the comet's name and incarnation. Required.
	Server ident.Server
	// TCP and WS are the addresses to listen on. An address that stands in
	// both serves both: the first byte of a link decides. At least one is
	// required.
	TCP, WS []string
	// Engine opens the I/O engine. Required.
	Engine func(poller.Options) (poller.Engine, error)
	// Loops is how many reactor loops to run. Zero means runtime.NumCPU().
	Loops int
	// Proxy expects a PROXY header (v1 or v2) at the start of each link, and
	// takes it only from these sources. Nil means no PROXY headers at all.
	Proxy []netip.Prefix
	// Origins are the Origin values that a WebSocket upgrade may carry, exact;
	// nil means any. An upgrade without Origin (not a browser) is refused only
	// with RequireOrigin.
	Origins       []string
	RequireOrigin bool

	// Door turns links away before logic is asked. Nil means that logic judges
	// all.
	Door Door

	Limits Limits
	Times  Times

	// Log gets what an operator should know. Nil means slog.Default().
	Log *slog.Logger
}

// Limits of a comet. Zero means the default; where that is "off" it is said.
type Limits struct {
	// Links in all. Zero means 1,000,000. main lowers it to what the
	// descriptor limit allows. At the limit the oldest link of the same loop
	// that has not authenticated is shed for a new one; without any the new
	// one is refused.
	Links int
	// Frame bounds a client's frame in bytes, header and body. Zero means
	// 4 KiB + header, as in goim.
	Frame int
	// Early bounds the bytes taken before authentication. Zero means 16 KiB.
	Early int
	// Outbox bounds the bytes that wait for one link outside its room: replies
	// and direct pushes. Zero means 64 KiB.
	Outbox int
	// Outboxes bounds what waits in all outboxes of a loop together, however
	// many links are slow. Zero means 64 MiB.
	Outboxes int
	// Rooms in all. Zero means 1,000,000. At the limit a join of a new room
	// is refused.
	Rooms int
	// Members bounds the links of one room on this comet; a join beyond it is
	// refused. Zero means no bound but that of links.
	Members int
	// Accepts bounds the ops that one link may list. Zero means 128.
	Accepts int
	// Auths bounds the connects under way a loop. Zero means 4,096.
	Auths int
	// Rate is how many frames a second a link may send, with bursts of Burst.
	// Zero means 20 and 100. A change of room or accepts counts five.
	Rate, Burst int
	// Messages bounds the client messages (op 4) under way to logic. Zero
	// means 256.
	Messages int
	// SourceLinks and SourceRate bound the links in all, and the connects a
	// second, from one IPv4 address or IPv6 /64. Zero means off: carriers' NAT
	// and load generators share addresses.
	SourceLinks int
	SourceRate  int
	// Room are the limits of rooms.
	Room room.Limits
	// Traces is how many of the last messages can be asked what became of them.
	// Zero means 16,384, about 5 MB.
	Traces int
	// Head are the limits of a WebSocket upgrade.
	Head ws.HeadLimits
	// Queued bounds the bytes of pushes that wait for one loop. Zero means
	// 64 MiB. Above it Apply waits.
	Queued int
}

// Times of a comet. Zero means the default.
type Times struct {
	// Handshake is how long a link may take from accept to authenticated; no
	// byte renews it. Zero means 8 s.
	Handshake time.Duration
	// Heartbeat is how long a link may be silent. Zero means 6 min (clients
	// are told to beat every 4).
	Heartbeat time.Duration
	// Write is how long a link may take nothing of what waits for it. Zero
	// means 30 s.
	Write time.Duration
	// Linger is how long a link that was told to go may take to close. Zero
	// means 1 s.
	Linger time.Duration
	// Retry is the least advice on when to come back; the advice is drawn
	// between it and three times as much, or up to 33 times while more links
	// are turned away than let in. Zero means 2 s.
	Retry time.Duration
	// Renew is the time between renewals of the lease. Zero means 3 s.
	Renew time.Duration
	// Settle is the time between the first renewal and the first connect: longer
	// than jobs believe a list of comets that does not name this one (Fresh, in
	// package job), so that a push which follows a join is routed here. Zero means
	// 2 s.
	Settle time.Duration
	// Sessions bounds one exchange with logic. Zero means 5 s.
	Sessions time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Server == "" {
		return c, errors.New("comet: no server name")
	}
	if c.Engine == nil {
		return c, errors.New("comet: no engine")
	}
	if len(c.TCP)+len(c.WS) == 0 {
		return c, errors.New("comet: no address to listen on")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	orInt(&c.Loops, runtime.NumCPU())
	return c, errors.Join(c.Limits.fill(), c.Times.fill())
}

// limit is one row of a table: where a value lies, its default and its bounds.
type limit[T int | time.Duration] struct {
	name          string
	value         *T
	def, low, top T
}

func check[T int | time.Duration](rows []limit[T]) error {
	var errs []error
	for _, r := range rows {
		if *r.value == 0 {
			*r.value = r.def
		}
		if v := *r.value; v < r.low || v > r.top {
			errs = append(errs, fmt.Errorf("comet: %s is %v, must be from %v to %v", r.name, v, r.low, r.top))
		}
	}
	return errors.Join(errs...)
}

func (l *Limits) fill() error {
	const big = 1 << 30
	return errors.Join(check([]limit[int]{
		{"limit of traces", &l.Traces, 16 << 10, 1, 1 << 24},
		{"limit of links", &l.Links, 1_000_000, 1, big},
		{"limit of a frame", &l.Frame, 4<<10 + 16, 128, 1 << 20},
		{"limit of bytes before auth", &l.Early, 16 << 10, 256, 1 << 20},
		{"limit of an outbox", &l.Outbox, 64 << 10, 4 << 10, big},
		{"limit of outboxes", &l.Outboxes, 64 << 20, 64 << 10, big},
		{"limit of rooms", &l.Rooms, 1_000_000, 1, big},
		{"limit of a room's members", &l.Members, 0, 0, big},
		{"limit of accepts", &l.Accepts, 128, 1, 4096},
		{"limit of auths", &l.Auths, 4096, 1, big},
		{"rate of frames", &l.Rate, 20, 1, 10_000},
		{"burst of frames", &l.Burst, 100, 5, 60_000},
		{"limit of messages", &l.Messages, 256, 1, big},
		{"limit of links a source", &l.SourceLinks, 0, 0, big},
		{"rate of connects a source", &l.SourceRate, 0, 0, big},
		{"limit of queued bytes", &l.Queued, 64 << 20, 1 << 20, big},
		{"limit of a room's pending bytes", &l.Room.Pending, 1 << 20, 4 << 10, big},
		{"limit of pending bytes", &l.Room.Waiting, 64 << 20, 1 << 20, big},
		{"limit of a ring", &l.Room.Ring, 1 << 20, 4 << 10, big},
		{"limit of rings", &l.Room.Rings, 64 << 20, 1 << 20, big},
		{"limit of a batch", &l.Room.Batch, 16 << 10, 128, 1 << 20},
	}), check([]limit[time.Duration]{
		{"age of a ring's blocks", &l.Room.Age, 30 * time.Second, time.Second, time.Hour},
		{"latency by merging", &l.Room.MaxLatency, 250 * time.Millisecond, time.Millisecond, time.Minute},
	}))
}

func (t *Times) fill() error {
	const ms, day = time.Millisecond, 24 * time.Hour
	return check([]limit[time.Duration]{
		{"handshake timeout", &t.Handshake, 8 * time.Second, 100 * ms, time.Minute},
		{"heartbeat timeout", &t.Heartbeat, 6 * time.Minute, 100 * ms, day},
		{"write timeout", &t.Write, 30 * time.Second, 100 * ms, day},
		{"linger time", &t.Linger, time.Second, 10 * ms, time.Minute},
		{"retry advice", &t.Retry, 2 * time.Second, ms, day},
		{"renewal interval", &t.Renew, 3 * time.Second, 10 * ms, time.Minute},
		{"settling time", &t.Settle, 2 * time.Second, ms, time.Minute},
		{"session timeout", &t.Sessions, 5 * time.Second, 10 * ms, time.Minute},
	})
}

func orInt(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}
