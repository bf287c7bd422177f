package scenario

import (
	"context"
	"fmt"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Accept lets links in.
type Accept struct {
	Links     []int  `default:"10000" help:"Links to open; several with commas, each a point."`
	UnderWay  []int  `default:"512" help:"Links begun and not finished at a time."`
	Transport string `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Logic     string `enum:"memory,none" default:"memory" help:"memory: sessions as in oort serve; none: every link is let in at once."`
}

// Examples are shown by --help.
func (Accept) Examples() string {
	return `
oort bench io accept
oort bench io accept --links 15000 --under-way 64,4096 --transport ws`
}

// Name is of suite.Scenario.
func (Accept) Name() string { return "accept" }

// About is of suite.Scenario.
func (Accept) About() string {
	return "Links connect and authenticate as fast as the server lets them, so many at a time: how many a second, what each costs the " +
		"server's process, and how long each takes from its connect to the reply to its auth. Then all of them leave."
}

// Validate refuses what could not mean anything.
func (s Accept) Validate() error {
	for _, n := range append(append([]int{}, s.Links...), s.UnderWay...) {
		if n < 1 {
			return fmt.Errorf("%d of something is less than one", n)
		}
	}
	return nil
}

// Points is of suite.Scenario.
func (s Accept) Points() (points []suite.Point) {
	for _, n := range s.Links {
		for _, underWay := range s.UnderWay {
			points = append(points, accept{s, n, underWay})
		}
	}
	return points
}

// accept is one point.
type accept struct {
	Accept
	links    int
	underWay int
}

// Settings is of suite.Point.
func (p accept) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.links), report.Is("under way", p.underWay), report.Is("transport", p.Transport), report.Is("logic", p.Logic),
	}
}

// Round is of suite.Point. The first tenth of the links warms the server up.
func (p accept) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, "--logic="+p.Logic)
	if err != nil {
		return err
	}
	args := swarm.DialArgs{Addrs: g.at(p.Transport), Links: max(p.links/10, 1), UnderWay: p.underWay, Rooms: 1}
	if _, err := g.dial(ctx, args); err != nil {
		return err
	}
	if err := g.swarm.Reset(ctx, swarm.ResetArgs{}); err != nil {
		return err
	}
	before, err := g.cpu()
	if err != nil {
		return err
	}
	args.Links = p.links
	d, err := g.dial(ctx, args)
	if err != nil {
		return err
	}
	after, err := g.cpu()
	if err != nil {
		return err
	}
	used := after.since(before)
	c := r.Case
	c.Add("links", "/s", report.Higher, perSecond(d.Live, d.Took))
	c.Add("CPU a link", "µs", report.Lower, per(used.server, d.Live))
	c.AddLatency("join", d.Join)
	c.Add("retries", "", report.Lower, float64(d.Retries))
	c.Add("server CPU", "cores", "", used.server.Seconds()/d.Took.Seconds())
	c.Add("swarm CPU", "cores", "", used.swarm.Seconds()/d.Took.Seconds())
	return p.part(ctx, g)
}

// part has all links leave, and measures that.
func (p accept) part(ctx context.Context, g *rig) error {
	g.Phase("closing %d links", g.links)
	before, err := g.cpu()
	if err != nil {
		return err
	}
	if err := g.swarm.Part(ctx, swarm.CloseArgs{}); err != nil {
		return err
	}
	if err := g.awaitLive(ctx, 0); err != nil {
		return err
	}
	after, err := g.cpu()
	if err != nil {
		return err
	}
	g.Case.Add("CPU a close", "µs", report.Lower, per(after.since(before).server, g.links))
	return nil
}
