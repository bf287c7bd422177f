package scenario

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
	"github.com/oortim/oort/poller/engines"
)

// Soak has one comet live for long, and looks for what grows.
type Soak struct {
	Duration  time.Duration `default:"30m" help:"How long."`
	Every     time.Duration `default:"1m" help:"How long from one reckoning to the next; there must be six at least."`
	Links     int           `default:"2000" help:"Links of the swarm that are spread over the rooms; they come and go."`
	Rooms     int           `default:"40" help:"Rooms."`
	Messages  float64       `default:"2" help:"Messages a second to each room."`
	Churn     float64       `default:"20" help:"Links a second that close and dial anew."`
	Walkers   int           `default:"50" help:"Links that change rooms, and get direct messages."`
	Walks     float64       `default:"20" help:"Changes of room a second, over all walkers."`
	Dozers    int           `default:"8" help:"Links that do not read for a quarter of the time, and fall behind."`
	Mutes     int           `default:"4" help:"Links that never read, and are dialled anew when the server has dropped them."`
	Write     time.Duration `name:"write-timeout" default:"20s" help:"After what time the server drops those."`
	Transport string        `enum:"tcp,ws,both" default:"both" help:"What links use: ${enum}."`
}

// SoakCommand is `oort bench soak`. It is one round of one engine.
type SoakCommand struct {
	Soak   Soak   `embed:""`
	Engine string `default:"" help:"Engine and its options; default: the platform's best."`
	Loops  int    `default:"0" help:"Reactor loops of the server; 0: one a CPU."`
	JSON   string `name:"json" placeholder:"FILE" type:"path" help:"Write the results as JSON, for oort bench report."`
	HTML   string `name:"html" placeholder:"FILE" type:"path" help:"Write the results as one HTML page, with charts along the time."`
}

// Examples are shown by --help.
func (*SoakCommand) Examples() string {
	return `
oort bench soak --html soak.html
oort bench soak --duration 8h --every 5m --engine epoll+private`
}

// Validate refuses what cannot run.
func (c *SoakCommand) Validate() error {
	if err := c.Soak.Validate(); err != nil {
		return err
	}
	return engines.Check(c.Engine)
}

// Run soaks, and fails if something grew or did not add up.
func (c *SoakCommand) Run(ctx context.Context, out io.Writer) error {
	engine := c.Engine
	if engine == "" {
		engine = engines.Names()[0]
	}
	f := suite.Flags{Engines: []string{engine}, Repeat: 1, Loops: c.Loops, JSON: c.JSON, HTML: c.HTML}
	return f.Measure(ctx, out, os.Stderr, c.Soak)
}

// Name is of suite.Scenario.
func (Soak) Name() string { return "soak" }

// About is of suite.Scenario.
func (Soak) About() string {
	return "One comet for long, with links that come and go, change rooms, fall behind and never read, and pushes of all kinds. " +
		"At each reckoning everything holds still, all counters must agree to the last message, and what the process occupies is read. " +
		"It must not grow, and nothing may be left when all links have closed."
}

// leastReckonings is how many readings tell a trend; see measure.Trend.
const leastReckonings = 6

// Validate refuses what could not mean anything.
func (s Soak) Validate() error {
	switch {
	case s.Every <= 0 || s.Duration < leastReckonings*s.Every:
		return fmt.Errorf("--duration %v, --every %v: six reckonings are the least that tell a trend", s.Duration, s.Every)
	case s.Rooms < 1 || s.Walkers < 1 || s.Dozers < 0 || s.Mutes < 0 || s.Churn < 0:
		return fmt.Errorf("--rooms %d, --walkers %d must be positive, --dozers %d, --mutes %d, --churn %v not negative", s.Rooms, s.Walkers, s.Dozers, s.Mutes, s.Churn)
	}
	return positive(s.Duration, []int{s.Links}, []float64{s.Messages, s.Walks, s.Write.Seconds()})
}

// Points is of suite.Scenario: there is one.
func (s Soak) Points() []suite.Point { return []suite.Point{soak{s}} }

// soak is the point.
type soak struct{ Soak }

// Settings is of suite.Point.
func (p soak) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", p.Links), report.Is("rooms", p.Rooms), report.Is("messages", p.Messages), report.Is("churn", p.Churn),
		report.Is("walkers", p.Walkers), report.Is("walks", p.Walks), report.Is("dozers", p.Dozers), report.Is("mutes", p.Mutes),
		report.Is("write timeout", p.Write), report.Is("transport", p.Transport), report.Is("duration", p.Duration),
	}
}

// soaking is a soak that goes on.
type soaking struct {
	soak
	*rig
	guests guests
	start  time.Time
	sums   sums     // of all that was reckoned
	vitals []vitals // one a reckoning
}

// Round is of suite.Point.
func (p soak) Round(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, fmt.Sprintf("--write-timeout=%v", p.Write))
	if err != nil {
		return err
	}
	s := &soaking{soak: p, rig: g}
	empty, err := s.rehearse(ctx)
	if err != nil {
		return err
	}
	if err := s.gather(ctx); err != nil {
		return err
	}
	defer s.guests.leave()
	s.start = time.Now()
	for n := 1; time.Since(s.start) < p.Duration || n <= leastReckonings; n++ {
		if err := s.interval(ctx, n); err != nil {
			return err
		}
	}
	s.judge()
	s.report()
	return s.depart(ctx, empty)
}

// rehearse has a server's first links come and go, which start what it keeps
// ready from then on, and examines it when they are gone.
func (s *soaking) rehearse(ctx context.Context) (empty vitals, err error) {
	if _, err := s.dial(ctx, swarm.DialArgs{Addrs: s.at(s.Transport), Links: s.Links, Rooms: s.Rooms, Key: "rehearsal-"}); err != nil {
		return empty, err
	}
	if err := s.swarm.Part(ctx, swarm.CloseArgs{}); err != nil {
		return empty, err
	}
	s.links = 0
	if err := s.awaitLive(ctx, 0); err != nil {
		return empty, err
	}
	return s.examine(ctx)
}

// What the streams go to, beside the rooms of the swarm.
const (
	fatRoom   = "fat://"   // large messages: who does not read is soon behind
	likesRoom = "likes://" // messages that replace each other
	walkerKey = "walker-"
)

// small is how many links of the swarm are in each of the two other rooms.
func (p soak) small() int { return max(1, p.Links/100) }

// gather opens all links but the mutes, which come with each interval.
func (s *soaking) gather(ctx context.Context) error {
	for _, d := range []swarm.DialArgs{
		{Links: s.Links, Rooms: s.Rooms, Key: "soak-"},
		{Links: s.small(), Rooms: 1, Room: fatRoom, Key: "fat-"},
		{Links: s.small(), Rooms: 1, Room: likesRoom, Key: "likes-"},
	} {
		d.Addrs = s.at(s.Transport)
		if _, err := s.dial(ctx, d); err != nil {
			return err
		}
	}
	addrs := s.at(s.Transport)
	for i := range s.Walkers + s.Dozers {
		var err error
		if addr := addrs[i%len(addrs)]; i < s.Walkers {
			err = s.guests.walker(ctx, addr, i, s.Rooms)
		} else {
			err = s.guests.dozer(ctx, addr, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// depart closes everything, and sees that the server lets go of it.
func (s *soaking) depart(ctx context.Context, empty vitals) error {
	s.Phase("all links close")
	s.guests.leave()
	if err := s.swarm.Part(ctx, swarm.CloseArgs{}); err != nil {
		return err
	}
	if err := s.awaitLive(ctx, 0); err != nil {
		return err
	}
	var left vitals
	for end := time.Now().Add(s.grace); ; {
		var err error
		if left, err = s.examine(ctx); err != nil {
			return err
		}
		if left.descriptors <= empty.descriptors && left.goroutines <= empty.goroutines {
			break
		}
		if time.Now().After(end) {
			s.Case.Fault("without links the server holds %d descriptors and %d goroutines; before the first it held %d and %d",
				left.descriptors, left.goroutines, empty.descriptors, empty.goroutines)
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	s.Case.Add("descriptors left by links", "", "", float64(left.descriptors-empty.descriptors))
	s.Case.Add("goroutines left by links", "", "", float64(left.goroutines-empty.goroutines))
	s.Case.Add("heap left by links", "B", "", float64(left.heap-empty.heap))
	return nil
}
