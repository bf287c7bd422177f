package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oortim/oort/client"
)

// Say hands one message to the application over a link of its own and prints
// the answer.
type Say struct {
	Body []string `arg:"" help:"Message; words are joined by spaces."`
	Link
	Room    string        `help:"Room to be in meanwhile, type://id."`
	Timeout time.Duration `default:"10s" help:"How long to wait for the answer."`
}

// Examples are shown at the end of --help.
func (s *Say) Examples() string {
	return `
	oort client say --mid 7 hello
	oort client say --room live://1000 '{"like":1}'`
}

// Run logs in, says it, prints the reply's body and leaves.
func (s *Say) Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	o := s.Link.options()
	o.Room = s.Room
	if find := s.addrs(); find != nil {
		addrs, err := find(ctx)
		if err != nil {
			return err
		}
		o.Addr = addrs[0]
	}
	c, err := client.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	reply, err := c.Send(ctx, []byte(strings.Join(s.Body, " ")))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, printable(string(reply)))
	return err
}
