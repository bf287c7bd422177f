package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oortim/oort/client"
)

// Join prints what arrives in a room until Ctrl-C.
type Join struct {
	Room string `arg:"" help:"Room, type://id."`
	Link
	JSON  bool `name:"json" help:"Print one JSON object a line."`
	Count int  `placeholder:"N" help:"End after N messages. Default: never."`
	Once  bool `help:"End with the link instead of coming back."`
}

// Examples are shown at the end of --help.
func (j *Join) Examples() string {
	return `
	oort client join live://1000
	oort client join live://1000 --addr ws://127.0.0.1:3102/sub --mid 7
	oort client join live://1000 --accepts 1000,18 --json | jq -r .body
	oort client join live://1000 --count 1
	oort client join live://1000 --api http://127.0.0.1:3111`
}

// errCounted ends a join that has seen Count messages.
var errCounted = errors.New("all counted")

// Run joins and prints to out. Ctrl-C (ctx) is its normal end.
func (j *Join) Run(ctx context.Context, out io.Writer) error {
	p := newPrinter(out, j.JSON)
	s := &client.Session{Options: j.options(p), Addrs: j.addrs(), OnConnect: func(c *client.Client) { j.connected(ctx, c, p) }}
	var last error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.OnLost = func(err error, wait time.Duration) {
		p.lost(err, wait)
		if last = err; j.Once {
			stop()
		}
	}
	left := j.Count
	err := s.Run(ctx, func(m client.Message) error {
		if err := p.message(m); err != nil {
			return err
		}
		if left--; left == 0 {
			return errCounted
		}
		return nil
	})
	switch {
	case errors.Is(err, errCounted):
		return nil
	case j.Once && last != nil:
		return last
	case ctx.Err() != nil:
		return nil
	}
	return err
}

func (j *Join) options(p *printer) client.Options {
	o := j.Link.options()
	o.Room = j.Room
	o.OnOnline = p.online
	return o
}

// connected says so, and asks at once how many are there; the reply reaches
// the printer by OnOnline.
func (j *Join) connected(ctx context.Context, c *client.Client, p *printer) {
	p.connected(j.Room, c.Addr())
	go c.Heartbeat(ctx) // ends with the link, whose end OnLost tells
}

// Validate refuses what no server takes.
func (j *Join) Validate() error {
	if j.Count < 0 {
		return fmt.Errorf("--count must not be negative, but is %d", j.Count)
	}
	return checkRoom(j.Room)
}
