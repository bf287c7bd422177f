package scenario

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/poller/engines"
)

// Size pushes one message to each room, of rooms of all sizes.
type Size struct {
	Members   []int  `default:"1000,10000,100000" help:"Links in all; several with commas, each a point. A million takes 8 GB for the kernel's sockets."`
	Rooms     []int  `default:"1" help:"Rooms that the links are spread over; several with commas, each a point."`
	Size      int    `default:"64" help:"Bytes of a message's body, at least 24."`
	Passes    int    `default:"0" help:"How often; 0: as often as makes 300,000 writes, at most 100 times."`
	Transport string `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
}

// Examples are shown by --help.
func (Size) Examples() string {
	return `
oort bench io size --html size.html
oort bench io size --members 1000,10000,100000,1000000 --repeat 1
oort bench io size --members 100000 --rooms 1,1000,100000`
}

// Name is of suite.Scenario.
func (Size) Name() string { return "size" }

// About is of suite.Scenario.
func (Size) About() string {
	return "One message to each room, all at once, and the next when all links have it: what that costs the server's process, from rooms of " +
		"a thousand to one of a million, and from one room to one for each link, beside bare send(2) to as many sockets. " +
		"With private descriptor tables the server has as many loops as the links need."
}

// Engines is of suite.Choosy: that which holds more links than a process may
// open descriptors, where there is one.
func (Size) Engines() []string {
	const big = "epoll+private"
	if engines.Check(big) == nil {
		return []string{big}
	}
	return engines.Names()[:1]
}

// Validate refuses what could not mean anything.
func (s Size) Validate() error {
	for _, n := range append(append([]int{s.Size}, s.Members...), s.Rooms...) {
		if n < 1 {
			return fmt.Errorf("%d of something is less than one", n)
		}
	}
	if s.Passes < 0 {
		return fmt.Errorf("--passes %d is negative", s.Passes)
	}
	return nil
}

// Points is of suite.Scenario: every number of links with every number of
// rooms that they can fill.
func (s Size) Points() (points []suite.Point) {
	for _, members := range s.Members {
		for _, rooms := range s.Rooms {
			if rooms <= members {
				points = append(points, size{s, members, rooms})
			}
		}
	}
	return points
}

// size is one point.
type size struct {
	Size
	members, rooms int
}

// Settings is of suite.Point.
func (p size) Settings() []report.Setting {
	return []report.Setting{
		report.Is("members", p.members), report.Is("rooms", p.rooms), report.Is("size", p.Size.Size), report.Is("transport", p.Transport),
	}
}

// passes is how often all links get a message: the clock of a process is a
// little behind, so a few writes would not do.
func (p size) passes() int {
	if p.Passes > 0 {
		return p.Passes
	}
	return min(max(1, 300_000/p.members), 100)
}

// fullness is what of a loop's descriptor table is used, at most: the kernel
// deals links to loops by chance, and some get more than their share.
const fullness = .9

// loops that the server needs to hold so many links, beside those asked for.
func (p size) loops(r *suite.Round) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of descriptors: %w", err)
	}
	table := int(min(fullness*float64(limit.Cur), 1e9))
	return max(r.Loops, runtime.NumCPU(), (p.members+table-1)/table), nil
}

// Round is of suite.Point.
func (p size) Round(ctx context.Context, r *suite.Round) (err error) {
	if strings.Contains(r.Engine, "+private") {
		if r.Loops, err = p.loops(r); err != nil {
			return err
		}
	}
	g, err := openRig(ctx, r, "--logic=none", "--heartbeat=1h")
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.members, Rooms: p.rooms}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := g.deliver(ctx, p.once(p.rooms)); err != nil {
		return err
	}
	var used, bare time.Duration
	var writes float64
	var sent int64
	var latest delivery
	push := func() error {
		for i := range p.passes() {
			g.Phase("message %d of %d to all %d links", i+1, p.passes(), p.members)
			if latest, err = g.deliver(ctx, p.once(p.rooms)); err != nil {
				return err
			}
			used, writes = used+latest.used.server, writes+latest.writes
		}
		return nil
	}
	floor := func() error {
		for i := range p.passes() {
			g.Phase("bare sends, %d of %d to all %d links", i+1, p.passes(), p.members)
			f, err := g.bare(ctx, p.once(0))
			if err != nil {
				return err
			}
			bare, sent = bare+f.CPU, sent+f.Sent
		}
		return nil
	}
	if err := inTurns(r.Nth, push, floor); err != nil {
		return err
	}
	passes := float64(p.passes())
	c := r.Case
	c.Add("CPU a message to all", "ms", report.Lower, per(used, passes)/1e3)
	if sent > 0 {
		c.AddFloor("CPU a message to all", per(bare, passes)/1e3)
	}
	c.Add("CPU a link", "µs", report.Lower, per(used, passes*float64(p.members)))
	if sent > 0 {
		c.AddFloor("CPU a link", per(bare, sent))
	}
	c.AddLatency("latency", latest.got.Latency)
	c.Add("writes a link", "", "", writes/passes/float64(p.members))
	c.Add("loops", "", "", float64(r.Loops))
	c.Add("longest GC pause", "µs", report.Lower, per(latest.gcPause, 1))
	return nil
}

// once is a message to each of so many rooms, all due nearly at once, a tenth of
// a microsecond apart; 0: to everybody.
func (p size) once(rooms int) server.PushArgs {
	return server.PushArgs{Rooms: rooms, Rate: 1e7 / float64(max(1, rooms)), Count: 1, Size: p.Size.Size}
}
