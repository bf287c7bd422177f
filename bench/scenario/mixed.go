package scenario

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Mixed has links do everything at once, as they do in earnest.
type Mixed struct {
	Links     []int         `default:"10000" help:"Links; several with commas, each a point."`
	Rooms     int           `default:"20" help:"Rooms that they are spread over."`
	Messages  float64       `default:"2" help:"Messages a second to each room."`
	Size      int           `default:"256" help:"Bytes of a message's body."`
	Beats     float64       `default:"500" help:"Heartbeats a second over all links."`
	Rate      float64       `default:"100" help:"Links a second that close and dial anew."`
	Share     float64       `default:"0.01" help:"Share of the links that does not read meanwhile."`
	Transport string        `enum:"tcp,ws,both" default:"both" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"10s" help:"How long, after a fifth of it to warm up."`
}

// Examples are shown by --help.
func (Mixed) Examples() string {
	return `
oort bench io mixed
oort bench io mixed --links 15000 --rooms 1 --engines epoll,std --repeat 7`
}

// Name is of suite.Scenario.
func (Mixed) Name() string { return "mixed" }

// About is of suite.Scenario.
func (Mixed) About() string {
	return "Messages to rooms, heartbeats, links that come and go and some that do not read, at the same time: what it costs the " +
		"server's process in all, and how long a message, a heartbeat's reply and a reconnect take meanwhile."
}

// Validate refuses what could not mean anything.
func (s Mixed) Validate() error {
	if s.Rooms < 1 || s.Share < 0 || s.Share >= 1 {
		return fmt.Errorf("--rooms %d must be positive, --share %v from 0 and below 1", s.Rooms, s.Share)
	}
	return positive(s.Duration, s.Links, []float64{s.Messages, s.Beats, s.Rate})
}

// Points is of suite.Scenario.
func (s Mixed) Points() (points []suite.Point) {
	for _, links := range s.Links {
		points = append(points, mixed{s, links})
	}
	return points
}

// mixed is one point.
type mixed struct {
	Mixed
	links int
}

// Settings is of suite.Point.
func (p mixed) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.links), report.Is("rooms", p.Rooms), report.Is("messages", p.Messages), report.Is("size", p.Size),
		report.Is("beats", p.Beats), report.Is("reconnects", p.Rate), report.Is("not reading", p.Share), report.Is("transport", p.Transport),
	}
}

// Round is of suite.Point.
func (p mixed) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: p.Rooms, Key: "mixed-"}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := p.run(ctx, g, p.Duration/5); err != nil {
		return err
	}
	g.Phase("everything at once for %v", p.Duration)
	m, err := p.run(ctx, g, p.Duration)
	if err != nil {
		return err
	}
	c := r.Case
	c.Add("server CPU", "cores", report.Lower, m.used.server.Seconds()/m.took.Seconds())
	c.AddLatency("message latency", m.got.Latency)
	c.AddLatency("heartbeat reply", m.got.BeatLatency)
	c.AddLatency("back", m.got.Join)
	c.Add("messages", "/s", "", perSecond(m.got.Messages, m.took))
	c.Add("beats", "/s", "", perSecond(m.got.BeatReplies, m.took))
	c.Add("reconnects", "/s", "", perSecond(m.got.Joined, m.took))
	c.Add("server RSS", "B", report.Lower, float64(m.rss))
	c.Add("longest GC pause", "µs", report.Lower, per(m.gcMost, 1))
	c.Add("swarm CPU", "cores", "", m.used.swarm.Seconds()/m.took.Seconds())
	return nil
}

// mingled is what came of everything at once.
type mingled struct {
	got    swarm.Counts // before those that did not read went on
	used   cpu
	took   time.Duration
	rss    int64
	gcMost time.Duration
}

// run does it all for a while. In the end everybody reads and everybody is
// back, and every message has ended.
func (p mixed) run(ctx context.Context, g *rig, d time.Duration) (m mingled, err error) {
	t, err := g.begin(ctx)
	if err != nil {
		return m, err
	}
	if _, err := g.swarm.Stall(ctx, swarm.StallArgs{Share: p.Share}); err != nil {
		return m, err
	}
	if err := p.stir(ctx, g, p.Beats, p.Rate); err != nil {
		return m, err
	}
	pushed, err := g.server.Push(ctx, server.PushArgs{
		Run: t.run, Rooms: p.Rooms, Rate: p.Messages, Count: max(1, int(math.Round(p.Messages*d.Seconds()))), Size: p.Size,
	})
	if err != nil {
		return m, err
	}
	if err := p.stir(ctx, g, 0, 0); err != nil {
		return m, err
	}
	if m.used, m.took, err = t.soFar(); err != nil {
		return m, err
	}
	weight, err := measure.OpenProcess(g.server.Pid()).Memory()
	if err != nil {
		return m, err
	}
	m.rss = weight.RSS
	return m, p.finish(ctx, t, pushed.Concerns, &m)
}

// stir has links beat and churn.
func (p mixed) stir(ctx context.Context, g *rig, beats, rate float64) error {
	if err := g.swarm.Beat(ctx, swarm.BeatArgs{Rate: beats}); err != nil {
		return err
	}
	return g.swarm.Churn(ctx, swarm.ChurnArgs{Rate: rate})
}

// finish waits for what is under way, has everybody read, and compares. A
// heartbeat whose link was closed to churn has no reply.
func (p mixed) finish(ctx context.Context, t trial, concerns int64, m *mingled) (err error) {
	g := t.g
	m.got, err = g.counts(ctx, func(c swarm.Counts) bool { return c.Joined == c.Churned })
	if err != nil {
		return err
	}
	if m.got.Joined != m.got.Churned {
		g.Case.Fault("%d links closed, %d came back", m.got.Churned, m.got.Joined)
	}
	if err := g.swarm.Resume(ctx); err != nil {
		return err
	}
	ended, after, err := t.close(ctx, concerns, m.got.Churned)
	if err != nil {
		return err
	}
	m.gcMost = after.GCPauseMax
	last, err := g.quiet(ctx)
	if err != nil {
		return err
	}
	g.checkLinks(last)
	if last.BeatReplies+last.Churned < last.Beats {
		g.Case.Fault("%d of %d heartbeats answered, though only %d links closed", last.BeatReplies, last.Beats, last.Churned)
	}
	if delivered := int64(ended["delivered"]); last.Messages > delivered {
		g.Case.Fault("%d messages arrived, the comet says that it delivered %d", last.Messages, delivered)
	}
	if slow := int64(ended["slow"]); last.Gaps > slow {
		g.Case.Fault("links that stayed passed over %d messages, the comet dropped %d as slow", last.Gaps, slow)
	}
	return nil
}
