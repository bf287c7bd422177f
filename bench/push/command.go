// Package push measures the way from the push API to the sockets: how long a
// lone message takes on an idle system, or how much gets through.
package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/target"
)

// Command is `oort bench push`.
type Command struct {
	target.Flags

	Links int  `default:"10" help:"Links in all."`
	Rooms int  `default:"1" help:"Rooms that the links are spread over."`
	Body  int  `default:"64" help:"Bytes of a message."`
	Goim  bool `help:"Push by goim's API, one message a request, instead of /v1."`
	JSON  bool `name:"json" help:"Print the report as JSON."`

	Messages int           `default:"2000" help:"Lone messages: how many, one at a time."`
	Pause    time.Duration `default:"5ms" help:"Lone messages: idle time between one that has arrived everywhere and the next."`

	Rate     float64       `help:"Throughput: messages a second that are asked for. 0: lone messages."`
	Duration time.Duration `default:"10s" help:"Throughput: how long to push."`
	Pushers  int           `default:"4" help:"Throughput: requests at once; each room belongs to one pusher."`
	Batch    int           `default:"1" help:"Throughput: messages a request."`

	Grace time.Duration `default:"10s" help:"How long to wait for what is missing before it counts as lost."`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench push
	oort bench push --links 1000 --rooms 10 --rate 500 --duration 30s
	oort bench push --json -- --engine std --sync-writes
	oort bench push --api http://127.0.0.1:3111 --addr tcp://127.0.0.1:3101 --addr ws://127.0.0.1:3102/sub`
}

// Validate refuses a run that could not mean anything.
func (c *Command) Validate() error {
	for _, f := range []struct {
		name   string
		n, min int
	}{
		{"links", c.Links, 1}, {"rooms", c.Rooms, 1}, {"messages", c.Messages, 1},
		{"pushers", c.Pushers, 1}, {"batch", c.Batch, 1}, {"body", c.Body, stampLen},
	} {
		if f.n < f.min {
			return fmt.Errorf("--%s must be at least %d, not %d", f.name, f.min, f.n)
		}
	}
	switch {
	case c.Rooms > c.Links:
		return fmt.Errorf("--rooms %d is more than --links %d: a room without a member shows nothing", c.Rooms, c.Links)
	case c.Goim && c.Batch > 1:
		return errors.New("--goim pushes one message a request, so --batch must be 1")
	case c.Rate < 0:
		return fmt.Errorf("--rate must not be negative, but is %v", c.Rate)
	}
	return c.Flags.Validate()
}

// Run measures and prints the report. It fails with report.ErrFaults if a message was
// lost, doubled or out of order, or a link ended.
func (c *Command) Run(ctx context.Context, out io.Writer) (err error) {
	t, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	r := report.New(time.Now())
	r.Set("server", t.Describe())
	if len(c.Serve) > 0 {
		r.Set("serve flags", c.Serve)
	}
	if err := c.measure(ctx, t, r); err != nil {
		return err
	}
	r.Took = time.Since(r.Started)
	write := r.Text
	if c.JSON {
		write = r.JSON
	}
	if err := write(out); err != nil {
		return err
	}
	return r.Err()
}

func (c *Command) measure(ctx context.Context, t *target.Target, r *report.Run) error {
	a, err := join(ctx, t.Addrs, c.Links, c.Rooms)
	if err != nil {
		return err
	}
	defer a.leave()
	s := &sender{api: &t.API, goim: c.Goim, audience: a, body: c.Body}
	r.Set("links", c.Links)
	r.Set("transports", a.transports())
	r.Set("rooms", c.Rooms)
	r.Set("body bytes", c.Body)
	r.Set("API", s.apiName())
	if err := s.lone(ctx, warmUp, 0, c.Grace, nil); err != nil {
		return fmt.Errorf("bench: warming up: %w", err)
	}
	a.reset()
	if c.Rate > 0 {
		return c.flood(ctx, t, s, r)
	}
	return c.lone(ctx, s, r)
}

// warmUp is how many messages go ahead of the measurement: they open
// connections and make the server's buffers.
const warmUp = 50
