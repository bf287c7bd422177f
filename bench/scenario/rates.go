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
	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/poller/engines"
)

// Rates pushes to one room at ever higher rates, beyond what goes.
type Rates struct {
	Members   []int         `default:"15000" help:"Links in the room; several with commas, each a point."`
	Rate      []float64     `default:"1,2,5,10,20,40,80,160,320,640" help:"Messages a second, several with commas, each a point."`
	Lossless  float64       `default:"40" help:"Up to this rate nothing may be lost."`
	Size      int           `default:"64" help:"Bytes of a message's body, at least 24."`
	Latency   time.Duration `name:"max-latency" default:"250ms" help:"How long a message may wait so that others share its flush."`
	Transport string        `enum:"tcp,ws,both" default:"tcp" help:"What links use: ${enum}."`
	Duration  time.Duration `default:"5s" help:"How long to push, after a fifth of it to warm up."`
}

// Examples are shown by --help.
func (Rates) Examples() string {
	return `
oort bench io rates --html rates.html
oort bench io rates --rate 40,80 --max-latency 100ms --engines epoll,uring --repeat 7`
}

// Name is of suite.Scenario.
func (Rates) Name() string { return "rates" }

// About is of suite.Scenario.
func (Rates) About() string {
	return "One room at ever higher rates, with messages of all lanes: first each has a write of its own, then messages share writes, " +
		"then the lowest lanes are shed, so that latency stays bounded. The floor of a message is a bare send(2) of its own: what it costs, " +
		"at the least, not to merge; and how many such sends go is what would be delivered at most."
}

// Engines is of suite.Choosy.
func (Rates) Engines() []string { return engines.Names()[:1] }

// Validate refuses what could not mean anything.
func (s Rates) Validate() error {
	if s.Size < 1 || s.Latency < time.Millisecond {
		return fmt.Errorf("--size %d must be positive, --max-latency %v at least 1ms", s.Size, s.Latency)
	}
	return positive(s.Duration, s.Members, s.Rate)
}

// Points is of suite.Scenario: every number of members with every rate.
func (s Rates) Points() []suite.Point {
	return pairs(s.Members, s.Rate, func(members int, rate float64) suite.Point { return rates{s, members, rate} })
}

// rates is one point.
type rates struct {
	Rates
	members int
	rate    float64
}

// Settings is of suite.Point.
func (p rates) Settings() []report.Setting {
	return []report.Setting{
		report.Is("members", p.members), report.Is("rate", p.rate), report.Is("size", p.Size),
		report.Is("max latency", p.Latency), report.Is("transport", p.Transport),
	}
}

// laneMix are the lanes of ten messages: one of the system, one gift, four of
// chat and four ambient, so that one sees which go first.
var laneMix = []int{
	ledger.Ambient, ledger.Chat, ledger.Ambient, ledger.Chat, ledger.System,
	ledger.Chat, ledger.Ambient, ledger.Chat, ledger.Ambient, ledger.Gift,
}

func (p rates) pushes(d time.Duration) server.PushArgs {
	return server.PushArgs{Rooms: 1, Rate: p.rate, Count: max(1, int(math.Round(p.rate*d.Seconds()))), Size: p.Size, Lanes: laneMix}
}

// Round is of suite.Point.
func (p rates) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, fmt.Sprintf("--max-latency=%v", p.Latency))
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.members, Rooms: 1}); err != nil {
		return err
	}
	g.Phase("warming up")
	if _, err := p.run(ctx, g, p.Duration/5); err != nil {
		return err
	}
	var m merged
	var floor server.FloorReply
	push := func() error {
		g.Phase("%v a second for %v to %d links", p.rate, p.Duration, p.members)
		return g.profiled(ctx, func() (err error) {
			m, err = p.run(ctx, g, p.Duration)
			return err
		})
	}
	bare := func() (err error) {
		g.Phase("bare sends to %d links", p.members)
		floor, err = g.bare(ctx, server.PushArgs{Size: p.Size, Duration: p.Duration / 5})
		return err
	}
	if err := inTurns(r.Nth, push, bare); err != nil {
		return err
	}
	p.report(r.Case, m, floor)
	return nil
}

// merged is what came of messages at a rate.
type merged struct {
	pushed  server.PushReply
	got     swarm.Counts
	used    cpu
	took    time.Duration
	writes  float64
	dropped ledger.Counts // messages × links by lane
	ended   map[string]uint64
}

// run pushes for a while. Whatever is dropped must be in the ledger, and what
// is not must arrive.
func (p rates) run(ctx context.Context, g *rig, d time.Duration) (m merged, err error) {
	t, err := g.begin(ctx)
	if err != nil {
		return m, err
	}
	args := p.pushes(d)
	args.Run = t.run
	if m.pushed, err = g.server.Push(ctx, args); err != nil {
		return m, err
	}
	ended, after, err := t.close(ctx, m.pushed.Concerns, 0)
	if err != nil {
		return m, err
	}
	m.ended = ended
	delivered := int64(ended["delivered"])
	if m.got, err = g.counts(ctx, func(c swarm.Counts) bool { return c.Messages >= delivered }); err != nil {
		return m, err
	}
	if m.used, m.took, err = t.soFar(); err != nil {
		return m, err
	}
	m.writes = after.Metrics[writesMetric] - t.before.Metrics[writesMetric]
	for lane := range m.dropped {
		m.dropped[lane] = droppedOf(after, lane) - droppedOf(t.before, lane)
	}
	p.check(g, m)
	return m, nil
}

// droppedOf is how many messages × links of a lane the comet has dropped, for
// whatever reason.
func droppedOf(s server.Stats, lane int) (n uint64) {
	for o := ledger.Delivered + 1; o < ledger.Outcomes; o++ {
		n += uint64(s.Metrics[fmt.Sprintf(`oort_comet_messages_total{lane=%q,outcome=%q}`, ledger.LaneName(lane), o)])
	}
	return n
}

func (p rates) check(g *rig, m merged) {
	g.checkLinks(m.got)
	delivered, dropped := int64(m.ended["delivered"]), int64(m.dropped.Total())
	if m.got.Messages != delivered || delivered+dropped != m.pushed.Concerns {
		g.Case.Fault("%d messages arrived; the comet says of %d: %v", m.got.Messages, m.pushed.Concerns, m.ended)
	}
	if m.got.Gaps > dropped {
		g.Case.Fault("%d messages were passed over, %d were dropped", m.got.Gaps, dropped)
	}
	if p.rate <= p.Lossless && dropped > 0 {
		g.Case.Fault("%d of %d messages × links were dropped: %v", dropped, m.pushed.Concerns, m.ended)
	}
	for lane := 1; lane < ledger.Lanes; lane++ {
		if above, below := p.lost(m, lane-1), p.lost(m, lane); above > below {
			g.Case.Fault("%.3g %% of lane %s were dropped, but only %.3g %% of %s", above, ledger.LaneName(lane-1), below, ledger.LaneName(lane))
		}
	}
}

// lost is what was dropped of a lane, in percent of what was pushed of it.
func (p rates) lost(m merged, lane int) float64 {
	share := 0
	for i := range m.pushed.Messages {
		if laneMix[int(i)%len(laneMix)] == lane {
			share++
		}
	}
	if share == 0 {
		return 0
	}
	return 100 * float64(m.dropped[lane]) / float64(share) / float64(p.members)
}

func (p rates) report(c *report.Case, m merged, floor server.FloorReply) {
	const message = "CPU a message"
	c.Add("delivered", "/s", report.Higher, perSecond(m.got.Messages, m.took))
	c.Add("messages a write", "", report.Higher, float64(m.got.Messages)/m.writes)
	c.Add(message, "µs", report.Lower, per(m.used.server, m.got.Messages))
	if floor.Sockets > 0 {
		c.AddFloor(message, per(floor.CPU, floor.Sent))
		c.Add("delivered at most, one send a message", "/s", "", perSecond(floor.Sent, floor.Took))
		c.Add("cores wanted, one send a message", "", "", p.rate*float64(p.members)*floor.CPU.Seconds()/float64(floor.Sent))
	}
	c.Add("CPU a write", "µs", report.Lower, per(m.used.server, m.writes))
	c.AddLatency("latency", m.got.Latency)
	c.Add("p99, to the latency allowed", "×", report.Lower, m.got.Latency.P99.Seconds()/p.Latency.Seconds())
	for lane := range ledger.Lanes {
		c.Add("dropped of "+ledger.LaneName(lane), "%", report.Lower, p.lost(m, lane))
	}
	c.Add("shed", "", "", float64(m.ended["shed"]))
	c.Add("dropped as slow", "", "", float64(m.ended["slow"]))
	c.Add("writes", "/s", "", perSecond(m.writes, m.took))
	c.Add("server CPU", "cores", "", m.used.server.Seconds()/m.took.Seconds())
	c.Add("swarm CPU", "cores", "", m.used.swarm.Seconds()/m.took.Seconds())
	c.Add("push late", "ms", "", float64(m.pushed.Late.Microseconds())/1e3)
}
