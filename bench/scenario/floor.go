package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/poller/engines"
)

// Floor makes bare system calls and nothing else.
type Floor struct {
	Links     []int         `default:"1000,15000" help:"Links; several with commas, each a point."`
	Size      []int         `default:"64" help:"Bytes of a message's body, at least 24."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Rate      float64       `default:"0" help:"Rounds over all links a second; 0: one after the other."`
	Duration  time.Duration `default:"3s" help:"How long to send."`
}

// Examples are shown by --help.
func (Floor) Examples() string {
	return `
oort bench floor
oort bench floor --links 15000 --size 64,1024 --repeat 7
oort bench floor --engines epoll,epoll+private     # sockets in one descriptor table, or in one a loop`
}

// Name is of suite.Scenario.
func (Floor) Name() string { return "floor" }

// About is of suite.Scenario.
func (Floor) About() string {
	return "Bare send(2) to the sockets of links, by the loops' own threads: what no server that sends each link a message by system calls " +
		"can go below on this machine. The engine only holds the links."
}

// Engines is of suite.Choosy.
func (Floor) Engines() []string { return engines.Names()[:1] }

// Validate refuses what could not mean anything.
func (s Floor) Validate() error {
	for _, n := range append(append([]int{}, s.Links...), s.Size...) {
		if n < 1 {
			return fmt.Errorf("%d of something is less than one", n)
		}
	}
	if s.Duration <= 0 || s.Rate < 0 {
		return fmt.Errorf("--duration %v must be positive, --rate %v not negative", s.Duration, s.Rate)
	}
	return nil
}

// Points is of suite.Scenario.
func (s Floor) Points() (points []suite.Point) {
	for _, links := range s.Links {
		for _, size := range s.Size {
			points = append(points, floor{s, links, size})
		}
	}
	return points
}

// floor is one point.
type floor struct {
	Floor
	links int
	size  int
}

// Settings is of suite.Point.
func (p floor) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.links), report.Is("size", p.size), rateSetting(p.Rate), report.Is("transport", p.Transport),
	}
}

// rateSetting calls a closed loop by its name.
func rateSetting(rate float64) report.Setting {
	if rate == 0 {
		return report.Is("rate", "max")
	}
	return report.Is("rate", rate)
}

// Round is of suite.Point.
func (p floor) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, "--logic=none")
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links}); err != nil {
		return err
	}
	args := server.PushArgs{Rate: p.Rate, Size: p.size, Duration: p.Duration / 5}
	g.Phase("warming up")
	if _, err := g.bare(ctx, args); err != nil {
		return err
	}
	g.Phase("bare sends for %v to %d links", p.Duration, p.links)
	args.Duration = p.Duration
	f, err := g.bare(ctx, args)
	if err != nil {
		return err
	}
	if f.Sockets == 0 {
		return fmt.Errorf("%s keeps its sockets where they cannot be found", r.Engine)
	}
	r.Case.Add("CPU a send", "µs", report.Lower, per(f.CPU, f.Sent))
	r.Case.Add("sends", "/s", report.Higher, perSecond(f.Sent, f.Took))
	return nil
}
