package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/proto/frame"
)

// Echo has messages come back: reading as much as writing, and nothing else.
type Echo struct {
	Links     []int         `default:"1,100,10000" help:"Links; several with commas, each a point."`
	Depth     int           `default:"1" help:"Messages of a link that are under way: each that comes back is answered by the next."`
	Rate      []float64     `placeholder:"N" help:"Messages a second over all links, sent whether others have come back or not; default: --depth decides."`
	Size      []int         `default:"64" help:"Bytes of a message's body, at least 24."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"5s" help:"How long to echo, after a fifth of it to warm up."`
}

// Examples are shown by --help.
func (Echo) Examples() string {
	return `
oort bench io echo
oort bench io echo --links 1000 --rate 20000 --engines epoll,std --repeat 7
oort bench io echo --links 100 --size 64,1024,65000 --transport ws`
}

// Name is of suite.Scenario.
func (Echo) Name() string { return "echo" }

// About is of suite.Scenario.
func (Echo) About() string {
	return "Messages that come back, from a server that does nothing else: what each costs the server's process, beside bare epoll_wait, " +
		"recv and send on the same sockets in the same minute (on TCP; taken on epoll, whose sockets nobody else reads), " +
		"and how long it is under way."
}

// Validate refuses what could not mean anything.
func (s Echo) Validate() error {
	for _, n := range s.Links {
		if n < 1 {
			return fmt.Errorf("--links %d: at least one is needed", n)
		}
	}
	for _, n := range s.Size {
		if n < stamp.Len {
			return fmt.Errorf("--size %d: a message's stamp alone has %d bytes", n, stamp.Len)
		}
	}
	for _, rate := range s.Rate {
		if rate <= 0 {
			return fmt.Errorf("--rate %v must be positive", rate)
		}
	}
	if s.Depth < 1 || s.Duration <= 0 {
		return fmt.Errorf("--depth %d, --duration %v: must be positive", s.Depth, s.Duration)
	}
	return nil
}

// Points is of suite.Scenario: every number of links with every size and rate.
func (s Echo) Points() (points []suite.Point) {
	rates := s.Rate
	if len(rates) == 0 {
		rates = []float64{0}
	}
	for _, links := range s.Links {
		for _, size := range s.Size {
			for _, rate := range rates {
				points = append(points, echoes{s, links, size, rate})
			}
		}
	}
	return points
}

// echoes is one point.
type echoes struct {
	Echo
	links int
	size  int
	rate  float64 // 0: by depth
}

// Settings is of suite.Point.
func (p echoes) Settings() []report.Setting {
	s := []report.Setting{report.Is("links", p.links), report.Is("size", p.size)}
	if p.rate > 0 {
		s = append(s, report.Is("rate", p.rate))
	} else {
		s = append(s, report.Is("depth", p.Depth))
	}
	return append(s, report.Is("transport", p.Transport))
}

// Round is of suite.Point.
func (p echoes) Round(ctx context.Context, r *suite.Round) error {
	g, err := startRig(ctx, r, "echo", "--control", "--listen=127.0.0.1:0")
	if err != nil {
		return err
	}
	under := echo.Remote{Child: g.server.Child}
	addrs, err := under.Addresses(ctx)
	if err != nil {
		return err
	}
	g.addrs = server.Addresses(addrs)
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Bare: true}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := p.echo(ctx, g, p.Duration/5); err != nil {
		return err
	}
	var e echoed
	var bare *bareEchoes
	engine := func() (err error) {
		e, err = p.engine(ctx, g, under)
		return err
	}
	floor := func() (err error) {
		bare, err = p.floor(ctx, g, under)
		return err
	}
	if err := inTurns(r.Nth, engine, floor); err != nil {
		return err
	}
	p.report(r.Case, e, bare)
	return nil
}

// engine has the engine echo.
func (p echoes) engine(ctx context.Context, g *rig, under echo.Remote) (e echoed, err error) {
	before, err := under.Stats(ctx)
	if err != nil {
		return e, err
	}
	g.Phase("echoing for %v on %d links", p.Duration, p.links)
	err = g.profiled(ctx, func() (err error) {
		e, err = p.echo(ctx, g, p.Duration)
		return err
	})
	if err != nil {
		return e, err
	}
	after, err := under.Stats(ctx)
	if n := after.Messages - before.Messages; err == nil && (n != uint64(e.got.EchoesSent) || after.Refused > 0) {
		g.Case.Fault("the server says that it echoed %d messages of %d, and refused %d links", n, e.got.EchoesSent, after.Refused)
	}
	return e, err
}

// echoed are messages that were sent and came back.
type echoed struct {
	got  swarm.Counts
	used cpu
	took time.Duration // until all had come back
}

// echo has messages echoed for a while, and waits for those under way.
func (p echoes) echo(ctx context.Context, g *rig, d time.Duration) (e echoed, err error) {
	g.run++
	began, err := g.cpu()
	if err != nil {
		return e, err
	}
	start := time.Now()
	args := swarm.EchoArgs{Run: g.run, Size: p.size, Rate: p.rate}
	if p.rate == 0 {
		args.Depth = p.Depth
	}
	if err := g.swarm.Echo(ctx, args); err != nil {
		return e, err
	}
	if err := pause(ctx, d); err != nil {
		return e, err
	}
	if err := g.swarm.Echo(ctx, swarm.EchoArgs{}); err != nil {
		return e, err
	}
	sent, err := g.swarm.Counts(ctx)
	if err != nil {
		return e, err
	}
	if err := g.settle(ctx, sent.EchoesSent); err != nil {
		return e, err
	}
	e.took = time.Since(start)
	now, err := g.cpu()
	if err != nil {
		return e, err
	}
	e.used = now.since(began)
	e.got, err = g.swarm.Counts(ctx)
	p.check(g, e.got)
	return e, err
}

// check finds what was not correct.
func (p echoes) check(g *rig, got swarm.Counts) {
	if got.Messages != got.EchoesSent || got.EchoesSent == 0 {
		g.Case.Fault("%d of %d messages came back", got.Messages, got.EchoesSent)
	}
	if got.Gaps+got.Doubles+got.Wrong+got.Stale > 0 {
		g.Case.Fault("%d messages passed over, %d doubled or out of order, %d wrong, %d of another run", got.Gaps, got.Doubles, got.Wrong, got.Stale)
	}
	if p.rate == 0 && got.Least == 0 {
		g.Case.Fault("a link got nothing")
	}
	if len(got.Lost) > 0 || len(got.Failed) > 0 {
		g.Case.Fault("links ended: %v, were not let in: %v", got.Lost, got.Failed)
	}
}

// cpuEcho is what the scenario is about.
const cpuEcho = "CPU an echo"

func (p echoes) report(c *report.Case, e echoed, bare *bareEchoes) {
	flow := report.Higher
	if p.rate > 0 {
		flow = "" // as asked for
	}
	c.Add(cpuEcho, "µs", report.Lower, per(e.used.server, e.got.Messages))
	if bare != nil {
		c.AddFloor(cpuEcho, per(bare.used, bare.messages))
	}
	c.Add("echoes", "/s", flow, perSecond(e.got.Messages, e.took))
	c.Add("came back", "%", report.Higher, 100*float64(e.got.Messages)/float64(e.got.EchoesSent))
	c.AddLatency("latency", e.got.Latency)
	c.Add("server CPU", "cores", "", e.used.server.Seconds()/e.took.Seconds())
	c.Add("swarm CPU", "cores", "", e.used.swarm.Seconds()/e.took.Seconds())
	if p.rate > 0 {
		c.Add("held back", "", "", float64(e.got.EchoesHeld))
	}
}

// bareEchoes are those of the floor.
type bareEchoes struct {
	messages int64
	used     time.Duration // of CPU
}

// floor has bare system calls echo; nil where they cannot. On WebSocket they
// cannot: what comes back is not the bytes that were sent, so more than calls is
// needed.
func (p echoes) floor(ctx context.Context, g *rig, under echo.Remote) (*bareEchoes, error) {
	if p.Transport != "tcp" {
		return nil, nil
	}
	g.Phase("bare echoes for %v on %d links", p.Duration, p.links)
	held, err := under.Hold(ctx)
	if err != nil || held.Sockets == 0 {
		return nil, err
	}
	if held.Sockets != g.links {
		return nil, fmt.Errorf("floor: %d sockets of %d links", held.Sockets, g.links)
	}
	e, err := p.echo(ctx, g, p.Duration)
	if err != nil {
		return nil, err
	}
	b, err := under.Release(ctx)
	if err != nil {
		return nil, err
	}
	if want := e.got.Messages * int64(frame.HeaderLen+p.size); b.Bytes != want || b.Lost > 0 {
		return nil, fmt.Errorf("floor: %d bytes of %d echoed, %d lost", b.Bytes, want, b.Lost)
	}
	return &bareEchoes{e.got.Messages, b.CPU}, nil
}
