package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Heartbeat has links do what most of them do most of the time.
type Heartbeat struct {
	Links     []int         `default:"15000" help:"Links; several with commas, each a point."`
	Rate      []float64     `default:"5000,20000" help:"Heartbeats a second over all links; several with commas, each a point."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"5s" help:"How long they beat, after a fifth of it to warm up."`
}

// Examples are shown by --help.
func (Heartbeat) Examples() string {
	return `
oort bench io heartbeat
oort bench io heartbeat --links 1000,15000 --rate 10000 --engines epoll,std --repeat 7`
}

// Name is of suite.Scenario.
func (Heartbeat) Name() string { return "heartbeat" }

// About is of suite.Scenario.
func (Heartbeat) About() string {
	return "Heartbeats of many links, evenly spread: what each costs the server's process, and how long its reply takes. " +
		"Links that say something rarely, one at a time, are where an engine's wake-ups count."
}

// Validate refuses what could not mean anything.
func (s Heartbeat) Validate() error {
	return positive(s.Duration, s.Links, s.Rate)
}

// positive refuses what scenarios have in common.
func positive(d time.Duration, links []int, rates []float64) error {
	for _, n := range links {
		if n < 1 {
			return fmt.Errorf("--links %d: at least one is needed", n)
		}
	}
	for _, rate := range rates {
		if rate <= 0 {
			return fmt.Errorf("a rate of %v must be positive", rate)
		}
	}
	if d <= 0 {
		return fmt.Errorf("--duration %v must be positive", d)
	}
	return nil
}

// Points is of suite.Scenario: every number of links with every rate.
func (s Heartbeat) Points() []suite.Point {
	return pairs(s.Links, s.Rate, func(links int, rate float64) suite.Point { return heartbeat{s, links, rate} })
}

// pairs is a point for every number of links with every value.
func pairs(links []int, values []float64, point func(int, float64) suite.Point) (points []suite.Point) {
	for _, n := range links {
		for _, v := range values {
			points = append(points, point(n, v))
		}
	}
	return points
}

// heartbeat is one point.
type heartbeat struct {
	Heartbeat
	links int
	rate  float64
}

// Settings is of suite.Point.
func (p heartbeat) Settings() []report.Setting {
	return []report.Setting{report.Is("links", p.links), report.Is("rate", p.rate), report.Is("transport", p.Transport)}
}

// Round is of suite.Point.
func (p heartbeat) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: 1}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := g.beat(ctx, p.rate, p.Duration/5); err != nil {
		return err
	}
	g.Phase("heartbeats for %v on %d links", p.Duration, p.links)
	b, err := g.beat(ctx, p.rate, p.Duration)
	if err != nil {
		return err
	}
	c := r.Case
	c.Add("CPU a beat", "µs", report.Lower, per(b.used.server, b.got.BeatReplies))
	c.Add("beats", "/s", "", perSecond(b.got.BeatReplies, b.took))
	c.AddLatency("reply", b.got.BeatLatency)
	c.Add("held back", "", report.Lower, float64(b.got.BeatsHeld))
	c.Add("server CPU", "cores", "", b.used.server.Seconds()/b.took.Seconds())
	c.Add("swarm CPU", "cores", "", b.used.swarm.Seconds()/b.took.Seconds())
	return nil
}

// beaten are heartbeats that were sent and answered.
type beaten struct {
	got  swarm.Counts
	used cpu
	took time.Duration // until all were answered
}

// beat has heartbeats sent for a while, and waits for the replies.
func (g *rig) beat(ctx context.Context, rate float64, d time.Duration) (b beaten, err error) {
	t, err := g.begin(ctx)
	if err != nil {
		return b, err
	}
	if err := g.swarm.Beat(ctx, swarm.BeatArgs{Rate: rate}); err != nil {
		return b, err
	}
	if err := pause(ctx, d); err != nil {
		return b, err
	}
	if err := g.swarm.Beat(ctx, swarm.BeatArgs{}); err != nil {
		return b, err
	}
	b.took = time.Since(t.start)
	if b.got, err = g.counts(ctx, func(c swarm.Counts) bool { return c.BeatReplies == c.Beats }); err != nil {
		return b, err
	}
	b.used, _, err = t.soFar()
	if b.got.BeatReplies != b.got.Beats || b.got.Beats == 0 {
		g.Case.Fault("%d of %d heartbeats answered", b.got.BeatReplies, b.got.Beats)
	}
	g.checkLinks(b.got)
	return b, err
}

// counts waits until the swarm's counts are as they should be, or grace is
// over, and returns them.
func (g *rig) counts(ctx context.Context, settled func(swarm.Counts) bool) (c swarm.Counts, err error) {
	for end := time.Now().Add(g.grace); ; {
		c, err = g.swarm.Counts(ctx)
		if err != nil || settled(c) || time.Now().After(end) {
			return c, err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return c, err
		}
	}
}

// checkLinks has no link end unasked, and none get what was not for it.
func (g *rig) checkLinks(got swarm.Counts) {
	if len(got.Lost) > 0 || len(got.Failed) > 0 {
		g.Case.Fault("links ended: %v, were not let in: %v", got.Lost, got.Failed)
	}
	if got.Doubles+got.Wrong > 0 {
		g.Case.Fault("%d messages doubled or out of order, %d wrong", got.Doubles, got.Wrong)
	}
}
