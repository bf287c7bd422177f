package scenario

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Fanout pushes messages to rooms.
type Fanout struct {
	Members   []int         `default:"1000,5000,15000" help:"Links in all; several with commas, each a point."`
	Rooms     int           `default:"1" help:"Rooms that the links are spread over."`
	Rate      []float64     `placeholder:"N" help:"Messages a second in each room; default: what makes --writes; 0: as many as go, each when the one before has left."`
	Writes    float64       `default:"30000" help:"Messages × links a second in all, where --rate is not given."`
	Size      []int         `default:"64" help:"Bytes of a message's body, at least 24."`
	Batch     []int         `default:"1" help:"Messages of a room that are pushed together."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"5s" help:"How long to push, after a fifth of it to warm up."`
	Grace     time.Duration `default:"10s" help:"How long nothing may arrive before what is missing counts as lost."`
}

// Examples are shown by --help.
func (Fanout) Examples() string {
	return `
oort bench io fanout
oort bench io fanout --members 15000 --engines epoll,std --repeat 7 --html fanout.html
oort bench io fanout --members 5000 --batch 1,10 --size 64,1024 --transport ws`
}

// Name is of suite.Scenario.
func (Fanout) Name() string { return "fanout" }

// About is of suite.Scenario.
func (Fanout) About() string {
	return "Messages to the members of a room: what the server's process computes for each write to a socket, beside bare send(2) " +
		"of the same bytes on the same sockets in the same minute, and how long a message takes from when it was due to the client."
}

// Validate refuses what could not mean anything.
func (f Fanout) Validate() error {
	for _, rate := range f.Rate {
		if rate < 0 {
			return fmt.Errorf("--rate %v is negative", rate)
		}
	}
	for _, n := range append(append(append([]int{f.Rooms}, f.Members...), f.Size...), f.Batch...) {
		if n < 1 {
			return fmt.Errorf("%d of something is less than one", n)
		}
	}
	if f.Duration <= 0 || f.Grace <= 0 || f.Writes <= 0 {
		return fmt.Errorf("--duration %v, --grace %v, --writes %v: must be positive", f.Duration, f.Grace, f.Writes)
	}
	return nil
}

// Points is of suite.Scenario: every member count with every rate, size and
// batch.
func (f Fanout) Points() (points []suite.Point) {
	for _, members := range f.Members {
		rates := f.Rate
		if len(rates) == 0 {
			rates = []float64{round2(f.Writes / float64(members))}
		}
		for _, rate := range rates {
			for _, size := range f.Size {
				for _, batch := range f.Batch {
					points = append(points, fanout{f, members, rate, size, batch})
				}
			}
		}
	}
	return points
}

// round2 has two significant digits.
func round2(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
	if err != nil {
		return v // infinite
	}
	return short
}

// fanout is one point.
type fanout struct {
	Fanout
	members int
	rate    float64
	size    int
	batch   int
}

// Settings is of suite.Point.
func (p fanout) Settings() []report.Setting {
	s := []report.Setting{
		report.Is("members", p.members), rateSetting(p.rate), report.Is("size", p.size), report.Is("batch", p.batch),
	}
	if p.Rooms != 1 {
		s = append(s, report.Is("rooms", p.Rooms))
	}
	return append(s, report.Is("transport", p.Transport))
}

// pushes are what goes out in a time.
func (p fanout) pushes(d time.Duration) server.PushArgs {
	args := server.PushArgs{Rooms: p.Rooms, Rate: p.rate, Batch: p.batch, Size: p.size, Duration: d}
	if p.rate > 0 {
		args.Count = max(1, int(math.Round(p.rate*d.Seconds()/float64(p.batch)))) * p.batch
	}
	return args
}

// Round is of suite.Point.
func (p fanout) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r)
	if err != nil {
		return err
	}
	g.grace = p.Grace
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.members, Rooms: p.Rooms}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := g.deliver(ctx, p.pushes(p.Duration/5)); err != nil {
		return err
	}
	var d delivery
	var floor server.FloorReply
	push := func() error {
		g.Phase("pushing for %v to %d links", p.Duration, p.members)
		return g.profiled(ctx, func() (err error) {
			d, err = g.deliver(ctx, p.pushes(p.Duration))
			return err
		})
	}
	bare := func() (err error) {
		g.Phase("bare sends for %v to %d links", p.Duration, p.members)
		floor, err = g.bare(ctx, p.pushes(p.Duration))
		return err
	}
	if err := inTurns(r.Nth, push, bare); err != nil {
		return err
	}
	p.report(r.Case, d, floor)
	return nil
}

// inTurns does both, in even rounds the second first, so that neither has the
// better place always.
func inTurns(nth int, one, other func() error) error {
	if nth%2 == 0 {
		one, other = other, one
	}
	if err := one(); err != nil {
		return err
	}
	return other()
}

func (p fanout) report(c *report.Case, d delivery, floor server.FloorReply) {
	const write = "CPU a write"
	c.Add(write, "µs", report.Lower, per(d.used.server, d.writes))
	if floor.Sockets > 0 {
		c.AddFloor(write, per(floor.CPU, floor.Sent))
	}
	c.Add("CPU a message", "µs", report.Lower, per(d.used.server, d.got.Messages))
	flow := "" // as asked for
	if p.rate == 0 {
		flow = report.Higher
	}
	c.Add("writes", "/s", flow, perSecond(d.writes, d.took))
	c.Add("messages", "/s", flow, perSecond(d.got.Messages, d.took))
	c.Add("bytes", "B/s", flow, perSecond(d.got.Bytes, d.took))
	c.Add("delivered", "%", report.Higher, 100*float64(d.got.Messages)/float64(d.expected))
	c.AddLatency("latency", d.got.Latency)
	c.Add("server CPU", "cores", "", d.used.server.Seconds()/d.took.Seconds())
	c.Add("swarm CPU", "cores", "", d.used.swarm.Seconds()/d.took.Seconds())
	c.Add("other CPU", "cores", "", d.used.others.Seconds()/d.took.Seconds())
	c.Add("batch late", "ms", "", float64(d.pushed.Late.Microseconds())/1e3)
	c.Add("longest GC pause", "µs", report.Lower, per(d.gcPause, 1))
}
