package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Idle holds links that say nothing.
type Idle struct {
	Links     []int         `default:"1000,15000" help:"Links; several with commas, each a point."`
	Rooms     int           `default:"1" help:"Rooms that they are spread over; 0: none."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Logic     string        `enum:"memory,none" default:"none" help:"none: the comet's memory alone; memory: with the sessions of oort serve."`
	Quiet     time.Duration `default:"3s" help:"How long nothing happens before and while it is measured."`
}

// Examples are shown by --help.
func (Idle) Examples() string {
	return `
oort bench io idle
oort bench io idle --links 15000 --engines epoll,std --transport ws
oort bench io idle --links 100000 --engines epoll+private --loops 8`
}

// Name is of suite.Scenario.
func (Idle) Name() string { return "idle" }

// About is of suite.Scenario.
func (Idle) About() string {
	return "Links that are authenticated and say nothing: memory of the server's process and of the kernel, a link, " +
		"and what the process computes meanwhile. Kernel figures count both ends of a link, which are on this machine. " +
		"Afterwards each link is sent a message, to see that it lives."
}

// Validate refuses what could not mean anything.
func (s Idle) Validate() error {
	for _, n := range s.Links {
		if n < 1 {
			return fmt.Errorf("--links %d is less than one", n)
		}
	}
	if s.Quiet <= 0 || s.Rooms < 0 {
		return fmt.Errorf("--quiet %v must be positive, --rooms %d not negative", s.Quiet, s.Rooms)
	}
	return nil
}

// Points is of suite.Scenario.
func (s Idle) Points() (points []suite.Point) {
	for _, n := range s.Links {
		points = append(points, idle{s, n})
	}
	return points
}

// idle is one point.
type idle struct {
	Idle
	links int
}

// Settings is of suite.Point.
func (p idle) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.links), report.Is("rooms", p.Rooms), report.Is("transport", p.Transport), report.Is("logic", p.Logic),
	}
}

// Round is of suite.Point.
func (p idle) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, "--logic="+p.Logic)
	if err != nil {
		return err
	}
	g.Phase("reading memory without links")
	before, err := g.weigh(ctx)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: p.Rooms}); err != nil {
		return err
	}
	g.Phase("idle for %v", p.Quiet)
	if err := pause(ctx, p.Quiet); err != nil {
		return err
	}
	settled, err := measure.OpenProcess(g.server.Pid()).Memory()
	if err != nil {
		return err
	}
	used, _, err := g.spent(func() error { return pause(ctx, p.Quiet) })
	if err != nil {
		return err
	}
	after, err := g.weigh(ctx)
	if err != nil {
		return err
	}
	p.report(r.Case, before, after, settled, used)
	g.Phase("a message to each link")
	_, err = g.deliver(ctx, server.PushArgs{Count: 1})
	return err
}

// weight is what server, swarm and kernel occupy.
type weight struct {
	server, swarm measure.Memory // after a collection of the server's garbage
	stats         server.Stats
	kernel        measure.Kernel
}

func (g *rig) weigh(ctx context.Context) (w weight, err error) {
	if w.stats, err = g.server.Stats(ctx, server.StatsArgs{GC: true}); err != nil {
		return w, err
	}
	if w.server, err = measure.OpenProcess(g.server.Pid()).Memory(); err != nil {
		return w, err
	}
	if w.swarm, err = measure.OpenProcess(g.swarm.Pid()).Memory(); err != nil {
		return w, err
	}
	w.kernel, err = measure.ReadKernel()
	return w, err
}

func (p idle) report(c *report.Case, before, after weight, settled measure.Memory, used cpu) {
	a := func(name, better string, more int64) { c.Add(name, "B", better, float64(more)/float64(p.links)) }
	a("RSS a link", report.Lower, after.server.RSS-before.server.RSS)
	a("RSS a link before collection", report.Lower, settled.RSS-before.server.RSS)
	a("heap a link", report.Lower, after.stats.Heap-before.stats.Heap)
	a("stacks a link", report.Lower, after.stats.Stacks-before.stats.Stacks)
	a("page tables a link", "", after.server.PageTables-before.server.PageTables)
	a("kernel slab a link, both ends", report.Lower, after.kernel.Slab-before.kernel.Slab)
	a("kernel buffers a link, both ends", report.Lower, after.kernel.Buffers-before.kernel.Buffers)
	c.Add("goroutines", "", "", float64(after.stats.Goroutines))
	c.Add("CPU while idle", "ms/s", report.Lower, 1e3*used.server.Seconds()/p.Quiet.Seconds())
	a("swarm RSS a link", "", after.swarm.RSS-before.swarm.RSS)
}
