package scenario

import (
	"context"
	"fmt"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
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
		"server's process beside bare accept4, epoll_ctl, recv and send, and how long each takes from its connect to the reply to its auth. Then all of them leave."
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
	if _, err := g.dial(ctx, p.dials(max(p.links/10, 1), g.at(p.Transport))); err != nil {
		return err
	}
	var in entered
	var floor server.DoorReply
	enter := func() (err error) {
		in, err = p.enter(ctx, g)
		return err
	}
	bare := func() (err error) {
		floor, err = p.bare(ctx, g)
		return err
	}
	if err := inTurns(r.Nth, enter, bare); err != nil {
		return err
	}
	p.report(r.Case, in, floor)
	return nil
}

func (p accept) dials(links int, addrs []string) swarm.DialArgs {
	return swarm.DialArgs{Addrs: addrs, Links: links, UnderWay: p.underWay, Rooms: 1}
}

// entered is what links that were let in, and then left, have cost.
type entered struct {
	dialled swarm.DialReply
	used    cpu
	leaving float64 // µs of the server's CPU a link
}

// enter lets links in and out again.
func (p accept) enter(ctx context.Context, g *rig) (in entered, err error) {
	if err := g.swarm.Reset(ctx, swarm.ResetArgs{}); err != nil {
		return in, err
	}
	in.used, _, err = g.spent(func() error {
		in.dialled, err = g.dial(ctx, p.dials(p.links, g.at(p.Transport)))
		return err
	})
	if err != nil {
		return in, err
	}
	g.Phase("closing %d links", g.links)
	leaving, _, err := g.spent(func() error {
		if err := g.swarm.Part(ctx, swarm.CloseArgs{}); err != nil {
			return err
		}
		return g.awaitLive(ctx, 0)
	})
	in.leaving = per(leaving.server, g.links)
	g.links = 0
	return in, err
}

// bare lets as many links in by bare system calls, from the same process, while
// nobody else comes. On WebSocket, whose handshake takes more, it does nothing.
func (p accept) bare(ctx context.Context, g *rig) (did server.DoorReply, err error) {
	if p.Transport != "tcp" {
		return did, nil
	}
	g.Phase("bare accepts of %d links", p.links)
	at, err := g.server.Door(ctx)
	if err != nil {
		return did, err
	}
	before := g.links
	if _, err := g.dial(ctx, p.dials(p.links, []string{at.Addr})); err != nil {
		return did, err
	}
	g.links = before
	if did, err = g.server.Door(ctx); err == nil && did.Links != p.links {
		err = fmt.Errorf("the door answered %d of %d links", did.Links, p.links)
	}
	return did, err
}

func (p accept) report(c *report.Case, in entered, floor server.DoorReply) {
	const link = "CPU a link"
	d := in.dialled
	c.Add(link, "µs", report.Lower, per(in.used.server, d.Live))
	if floor.Links > 0 {
		c.AddFloor(link, per(floor.CPU, floor.Links))
	}
	c.Add("links", "/s", report.Higher, perSecond(d.Live, d.Took))
	c.AddLatency("join", d.Join)
	c.Add("retries", "", report.Lower, float64(d.Retries))
	c.Add("CPU a close", "µs", report.Lower, in.leaving)
	c.Add("server CPU", "cores", "", in.used.server.Seconds()/d.Took.Seconds())
	c.Add("swarm CPU", "cores", "", in.used.swarm.Seconds()/d.Took.Seconds())
}
