package scenario

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Slow has some links stop reading.
type Slow struct {
	Links     []int         `default:"150" help:"Links in the room; several with commas, each a point."`
	Share     []float64     `default:"0.33" help:"Share of them that stops reading, 0 to 1; several with commas, each a point."`
	Rate      float64       `default:"50" help:"Messages a second."`
	Size      int           `default:"20480" help:"Bytes of a message's body. A link's messages together should be more than the 4 MB that Linux lets a socket hold for who does not read."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"8s" help:"How long to push while they do not read; as long again with all reading, to compare."`
	Write     time.Duration `name:"write-timeout" placeholder:"5s" help:"See also that the server drops those that do not read after this time; default: do not."`
}

// Examples are shown by --help.
func (Slow) Examples() string {
	return `
oort bench io slow
oort bench io slow --links 400 --share 0.1,0.5 --engines epoll,std --repeat 7
oort bench io slow --links 150,600 --share 0.1,0.33 --write-timeout 5s --engines epoll`
}

// Name is of suite.Scenario.
func (Slow) Name() string { return "slow" }

// About is of suite.Scenario.
func (Slow) About() string {
	return "A room of which some members stop reading: how much later the others get their messages, what the server holds for those " +
		"that do not read, and whether its ledger agrees with what everybody has got once they read again. If asked, also how long it bears them."
}

// Validate refuses what could not mean anything.
func (s Slow) Validate() error {
	for _, share := range s.Share {
		if share <= 0 || share >= 1 {
			return fmt.Errorf("--share %v is not between 0 and 1", share)
		}
	}
	if s.Write < 0 || s.Write > 0 && s.Write < leastWrite {
		return fmt.Errorf("--write-timeout %v: at least %v, or 0 for none", s.Write, leastWrite)
	}
	if s.Rate <= 0 || s.Size < 1 {
		return fmt.Errorf("--rate %v, --size %d: must be positive", s.Rate, s.Size)
	}
	return positive(s.Duration, s.Links, nil)
}

// leastWrite is the shortest write timeout that a comet takes.
const leastWrite = 100 * time.Millisecond

// Points is of suite.Scenario: every number of links with every share.
func (s Slow) Points() []suite.Point {
	return pairs(s.Links, s.Share, func(links int, share float64) suite.Point { return slow{s, links, share} })
}

// slow is one point.
type slow struct {
	Slow
	links int
	share float64
}

// Settings is of suite.Point.
func (p slow) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.links), report.Is("share", p.share), report.Is("rate", p.Rate), report.Is("size", p.Size),
		report.Is("transport", p.Transport),
	}
}

func (p slow) pushes(d time.Duration) server.PushArgs {
	return server.PushArgs{Rooms: 1, Rate: p.Rate, Count: max(1, int(math.Round(p.Rate*d.Seconds()))), Size: p.Size}
}

// patient has a server shed nothing for being late, or too much at once: a busy
// machine is not what is measured.
var patient = []string{"--max-latency=10s", "--max-pending=33554432"}

// Round is of suite.Point.
func (p slow) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, patient...)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: 1}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := g.deliver(ctx, p.pushes(p.Duration/5)); err != nil {
		return err
	}
	var all delivery
	var some stalled
	reading := func() (err error) {
		g.Phase("everybody reads")
		all, err = g.deliver(ctx, p.pushes(p.Duration))
		return err
	}
	stalling := func() (err error) {
		g.Phase("%v of them do not", p.share)
		some, err = p.stall(ctx, g)
		return err
	}
	if err := inTurns(r.Nth, reading, stalling); err != nil {
		return err
	}
	p.report(r.Case, all, some)
	if p.Write > 0 {
		return p.drop(ctx, r)
	}
	return nil
}

// stalled is what happened while some links did not read, and after.
type stalled struct {
	links  int
	got    swarm.Counts // of the others, before those went on
	used   cpu
	gained int64             // bytes of RSS that the server gained, at most
	rss    report.Timeline   // what it gained, along the time
	ended  map[string]uint64 // of all, in the end
	gcMost time.Duration
}

func (p slow) stall(ctx context.Context, g *rig) (s stalled, err error) {
	t, err := g.begin(ctx)
	if err != nil {
		return s, err
	}
	reply, err := g.swarm.Stall(ctx, swarm.StallArgs{Share: p.share})
	if err != nil {
		return s, err
	}
	s.links = reply.Stalled
	args := p.pushes(p.Duration)
	args.Run = t.run
	var pushed server.PushReply
	s.rss, err = g.weighing(ctx, func() (err error) {
		pushed, err = g.server.Push(ctx, args)
		return err
	})
	if err != nil {
		return s, err
	}
	s.gained = int64(slices.Max(s.rss.Values))
	steady := int64(p.links - s.links)
	if s.got, err = g.counts(ctx, func(c swarm.Counts) bool { return c.Messages == steady*pushed.Messages }); err != nil {
		return s, err
	}
	if s.used, _, err = t.soFar(); err != nil {
		return s, err
	}
	g.checkLinks(s.got)
	if s.got.Messages != steady*pushed.Messages || s.got.Gaps > 0 || s.got.Steady != steady {
		g.Case.Fault("%d of %d messages arrived at the %d links that read, and %d were passed over",
			s.got.Messages, steady*pushed.Messages, s.got.Steady, s.got.Gaps)
	}
	return s, p.resume(ctx, t, pushed, &s)
}

// resume has the stalled links read on, and compares what everybody has got in
// the end with what the comet says of it.
func (p slow) resume(ctx context.Context, t trial, pushed server.PushReply, s *stalled) error {
	g := t.g
	if err := g.swarm.Resume(ctx); err != nil {
		return err
	}
	ended, after, err := t.close(ctx, pushed.Concerns, 0)
	if err != nil {
		return err
	}
	s.ended, s.gcMost = ended, after.GCPauseMax
	delivered, slow := int64(s.ended["delivered"]), int64(s.ended["slow"])
	got, err := g.counts(ctx, func(c swarm.Counts) bool { return c.Messages == delivered })
	if err != nil {
		return err
	}
	g.checkLinks(got)
	if got.Messages != delivered || delivered+slow != pushed.Concerns || got.Gaps > slow {
		g.Case.Fault("%d messages arrived and %d were passed over; the comet says of %d: %v", got.Messages, got.Gaps, pushed.Concerns, s.ended)
	}
	return nil
}

func (p slow) report(c *report.Case, all delivery, some stalled) {
	ratio := float64(some.got.Latency.P99) / float64(max(1, all.got.Latency.P99))
	c.Add("p99 of the others, to that with all reading", "×", report.Lower, ratio)
	c.AddLatency("latency of the others", some.got.Latency)
	c.AddLatency("latency with all reading", all.got.Latency)
	c.Add("server RSS gained, at most", "B", report.Lower, float64(some.gained))
	c.Add("server RSS a stalled link", "B", report.Lower, float64(some.gained)/float64(max(1, some.links)))
	c.Trace(some.rss)
	c.Add("CPU a message", "µs", report.Lower, per(some.used.server, some.got.Messages))
	c.Add("CPU a message with all reading", "µs", report.Lower, per(all.used.server, all.got.Messages))
	c.Add("dropped as slow", "", "", float64(some.ended["slow"]))
	c.Add("longest GC pause", "µs", report.Lower, per(some.gcMost, 1))
}
