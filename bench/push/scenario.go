package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/target"
)

// Scenario is what is pushed to whom; its flags.
type Scenario struct {
	Links []int `default:"10" help:"Links in all; several with commas, each a point."`
	Rooms int   `default:"1" help:"Rooms that the links are spread over."`
	Body  []int `default:"64" help:"Bytes of a message."`
	Goim  bool  `help:"Push by goim's API, one message a request, instead of /v1."`

	Messages int           `default:"1000" help:"Lone messages: how many, one at a time."`
	Pause    time.Duration `default:"5ms" help:"Lone messages: idle time between one that has arrived everywhere and the next."`

	Rate     []float64     `placeholder:"N" help:"Throughput: messages a second that are asked for. Default: lone messages."`
	Duration time.Duration `default:"10s" help:"Throughput: how long to push."`
	Pushers  int           `default:"4" help:"Throughput: requests at once; each room belongs to one pusher."`
	Batch    int           `default:"1" help:"Throughput: messages a request."`

	Grace time.Duration `default:"10s" help:"How long to wait for what is missing before it counts as lost."`

	server *target.Flags
}

// Validate refuses what could not mean anything.
func (s *Scenario) Validate() error {
	for _, f := range []struct {
		name string
		min  int
		n    []int
	}{
		{"links", 1, s.Links}, {"rooms", 1, []int{s.Rooms}}, {"messages", 1, []int{s.Messages}},
		{"pushers", 1, []int{s.Pushers}}, {"batch", 1, []int{s.Batch}}, {"body", stampLen, s.Body},
	} {
		for _, n := range f.n {
			if n < f.min {
				return fmt.Errorf("--%s must be at least %d, not %d", f.name, f.min, n)
			}
		}
	}
	for _, links := range s.Links {
		if s.Rooms > links {
			return fmt.Errorf("--rooms %d is more than --links %d: a room without a member shows nothing", s.Rooms, links)
		}
	}
	for _, rate := range s.Rate {
		if rate <= 0 {
			return fmt.Errorf("--rate must be positive, not %v", rate)
		}
	}
	if s.Goim && s.Batch > 1 {
		return errors.New("--goim pushes one message a request, so --batch must be 1")
	}
	return nil
}

// Name is of suite.Scenario.
func (s Scenario) Name() string {
	if len(s.Rate) > 0 {
		return "push at a rate"
	}
	return "push alone"
}

// About is of suite.Scenario.
func (s Scenario) About() string {
	const way = "Messages through the whole pipeline, from the HTTP API by logic, Kafka and job to the comet's links, all in one oort serve. "
	if len(s.Rate) > 0 {
		return way + "So many a second are asked for; a latency counts from when the message was due."
	}
	return way + "One at a time on an idle system: the next follows when the one before has arrived everywhere."
}

// Points is of suite.Scenario.
func (s Scenario) Points() (points []suite.Point) {
	rates := s.Rate
	if len(rates) == 0 {
		rates = []float64{0}
	}
	for _, links := range s.Links {
		for _, body := range s.Body {
			for _, rate := range rates {
				points = append(points, point{s, links, body, rate})
			}
		}
	}
	return points
}

// point is one choice of links, body and rate; rate 0 means lone messages.
type point struct {
	Scenario
	links, body int
	rate        float64
}

// Settings are of suite.Point.
func (p point) Settings() []report.Setting {
	all := []report.Setting{report.Is("links", p.links), report.Is("rooms", p.Rooms), report.Is("body", p.body)}
	if p.rate > 0 {
		all = append(all, report.Is("rate", p.rate), report.Is("pushers", min(p.Pushers, p.Rooms)), report.Is("batch", p.Batch))
	}
	all = append(all, report.Is("API", p.api()), report.Is("transport", p.transport()))
	if len(p.server.Serve) > 0 {
		all = append(all, report.Is("serve", strings.Join(p.server.Serve, " ")))
	}
	return all
}

func (p point) api() string {
	if p.Goim {
		return "/goim/push/room"
	}
	return "/v1/push"
}

// transport is the flag's, or what the schemes of a running server's addresses
// say.
func (p point) transport() string {
	if !p.server.Running() {
		return p.server.Transport
	}
	var schemes []string
	for _, addr := range p.server.Addr {
		scheme, _, _ := strings.Cut(addr, "://")
		schemes = append(schemes, scheme)
	}
	return strings.Join(schemes, "+")
}

// warmUp is how many messages go ahead of the measurement: they open
// connections and make the server's buffers.
const warmUp = 50

// Round is of suite.Point: a server, its audience, and the messages.
func (p point) Round(ctx context.Context, r *suite.Round) (err error) {
	r.Phase("starting the server")
	flags := []string{"--engine=" + r.Engine}
	if r.Loops > 0 {
		flags = append(flags, fmt.Sprintf("--loops=%d", r.Loops))
	}
	t, err := p.server.Open(ctx, flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	r.Phase("joining %d links", p.links)
	a, err := join(ctx, t.Addrs, p.links, p.Rooms)
	if err != nil {
		return err
	}
	defer a.leave()
	s := &sender{api: &t.API, goim: p.Goim, audience: a, body: p.body}
	r.Phase("warming up")
	if err := s.lone(ctx, warmUp, 0, p.Grace, nil); err != nil {
		return fmt.Errorf("bench: warming up: %w", err)
	}
	a.reset()
	r.Phase("pushing")
	if p.rate > 0 {
		err = p.flood(ctx, t, s, r.Case)
	} else {
		err = p.alone(ctx, t, s, r.Case)
	}
	a.faults(r.Case)
	return err
}
