package scenario

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// Churn has links come and go while messages are pushed.
type Churn struct {
	Links     []int         `default:"5000" help:"Links; several with commas, each a point."`
	Rate      []float64     `default:"500" help:"Links a second that close and dial anew; several with commas, each a point."`
	Messages  float64       `default:"2" help:"Messages a second to each room meanwhile."`
	Rooms     int           `default:"10" help:"Rooms that the links are spread over."`
	Reset     bool          `help:"Links close by RST instead of FIN."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"5s" help:"How long links churn; as long again only messages are pushed, to compare."`
}

// Examples are shown by --help.
func (Churn) Examples() string {
	return `
oort bench io churn
oort bench io churn --links 10000 --rate 200,1000 --reset --engines epoll,std --repeat 7`
}

// Name is of suite.Scenario.
func (Churn) Name() string { return "churn" }

// About is of suite.Scenario.
func (Churn) About() string {
	return "Links that close and dial anew, with authentication and all, while their rooms get messages: what one costs the server's " +
		"process beyond what the messages cost alone, how long it takes to be back, and what it does to the messages' latency."
}

// Validate refuses what could not mean anything.
func (s Churn) Validate() error {
	if s.Rooms < 1 || s.Messages <= 0 {
		return fmt.Errorf("--rooms %d, --messages %v: must be positive", s.Rooms, s.Messages)
	}
	return positive(s.Duration, s.Links, s.Rate)
}

// Points is of suite.Scenario: every number of links with every rate.
func (s Churn) Points() []suite.Point {
	return pairs(s.Links, s.Rate, func(links int, rate float64) suite.Point { return churn{s, links, rate} })
}

// churn is one point.
type churn struct {
	Churn
	links int
	rate  float64
}

// Settings is of suite.Point.
func (p churn) Settings() []report.Setting {
	by := "FIN"
	if p.Reset {
		by = "RST"
	}
	return []report.Setting{
		report.Is("links", p.links), report.Is("rate", p.rate), report.Is("messages", p.Messages), report.Is("rooms", p.Rooms),
		report.Is("by", by), report.Is("transport", p.Transport),
	}
}

// pushes are the messages of a time.
func (p churn) pushes(d time.Duration) server.PushArgs {
	return server.PushArgs{Rooms: p.Rooms, Rate: p.Messages, Count: max(1, int(math.Round(p.Messages*d.Seconds()))), Size: messageSize}
}

// messageSize is the size of messages where it is not what is measured.
const messageSize = 64

// Round is of suite.Point.
func (p churn) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: p.Rooms, Key: "churn-"}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := p.run(ctx, g, p.rate, p.Duration/5); err != nil {
		return err
	}
	g.Phase("messages alone for %v", p.Duration)
	alone, err := p.run(ctx, g, 0, p.Duration)
	if err != nil {
		return err
	}
	g.Phase("messages, and %v links a second", p.rate)
	both, err := p.run(ctx, g, p.rate, p.Duration)
	if err != nil {
		return err
	}
	c := r.Case
	c.Add("CPU a reconnect", "µs", report.Lower, per(both.used.server-alone.used.server, both.got.Joined))
	c.Add("reconnects", "/s", "", perSecond(both.got.Joined, both.took))
	c.AddLatency("back", both.got.Join)
	c.AddLatency("message latency", both.got.Latency)
	c.AddLatency("message latency without churn", alone.got.Latency)
	c.Add("lost to closing", "%", "", 100*(1-float64(both.got.Messages)/float64(both.concerns)))
	c.Add("server CPU", "cores", "", both.used.server.Seconds()/both.took.Seconds())
	c.Add("swarm CPU", "cores", "", both.used.swarm.Seconds()/both.took.Seconds())
	return nil
}

// churned is a time of messages and churn.
type churned struct {
	got      swarm.Counts
	concerns int64 // messages × links that the comet routed
	used     cpu
	took     time.Duration
}

// run pushes for a while, with links churning at rate. Afterwards every link
// is back, and every message has ended: a link that closes takes with it what
// it has not read, which the comet cannot know, so the swarm may have got less
// than the comet says that it delivered; but none that stayed misses one.
func (p churn) run(ctx context.Context, g *rig, rate float64, d time.Duration) (c churned, err error) {
	t, err := g.begin(ctx)
	if err != nil {
		return c, err
	}
	if err := g.swarm.Churn(ctx, swarm.ChurnArgs{Rate: rate, Reset: p.Reset}); err != nil {
		return c, err
	}
	args := p.pushes(d)
	args.Run = t.run
	pushed, err := g.server.Push(ctx, args)
	if err != nil {
		return c, err
	}
	if err := g.swarm.Churn(ctx, swarm.ChurnArgs{}); err != nil {
		return c, err
	}
	c.concerns = pushed.Concerns
	back, err := g.counts(ctx, func(n swarm.Counts) bool { return n.Joined == n.Churned })
	if err != nil {
		return c, err
	}
	if c.used, c.took, err = t.soFar(); err != nil {
		return c, err
	}
	ended, _, err := t.close(ctx, pushed.Concerns, back.Churned)
	if err != nil {
		return c, err
	}
	c.got, err = g.quiet(ctx)
	p.check(g, c, ended, pushed.Messages/int64(p.Rooms))
	return c, err
}

// quietTime is how long nothing arrives before nothing more is expected, where
// nobody can say how much that would be. All of it has been handed to sockets.
const quietTime = 500 * time.Millisecond

// quiet waits until nothing arrives any more.
func (g *rig) quiet(ctx context.Context) (c swarm.Counts, err error) {
	for last := int64(-1); ; last = c.Messages {
		if c, err = g.swarm.Counts(ctx); err != nil || c.Messages == last {
			return c, err
		}
		if err := pause(ctx, quietTime); err != nil {
			return c, err
		}
	}
}

func (p churn) check(g *rig, c churned, ended map[string]uint64, each int64) {
	g.checkLinks(c.got)
	if c.got.Joined != c.got.Churned {
		g.Case.Fault("%d links closed, %d came back", c.got.Churned, c.got.Joined)
	}
	if c.got.Gaps > 0 || c.got.Steady > 0 && (c.got.Least != each || c.got.Most != each) {
		g.Case.Fault("links that stayed got %d to %d messages of %d, and passed over %d", c.got.Least, c.got.Most, each, c.got.Gaps)
	}
	delivered := int64(ended["delivered"])
	if c.got.Messages > delivered || c.got.Churned == 0 && c.got.Messages != delivered {
		g.Case.Fault("%d messages arrived, the comet says that it delivered %d", c.got.Messages, delivered)
	}
	for outcome, n := range ended {
		if outcome != "delivered" && outcome != "closed" {
			g.Case.Fault("the comet's ledger says %d %s", n, outcome)
		}
	}
}
