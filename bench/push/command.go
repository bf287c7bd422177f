// Package push measures the way from the push API to the sockets, through
// logic, Kafka, job and comet: how long a lone message takes on an idle
// system, or how much gets through.
//
// Its audience are links of the Go client in the bench's own process, and its
// messages are text, as most are; `oort bench io` measures a comet alone, with
// as many links as wanted.
package push

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/target"
)

// Command is `oort bench push`.
type Command struct {
	Scenario
	Suite  suite.Flags  `embed:"" group:"Run"`
	Server target.Flags `embed:"" group:"Server"`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench push
	oort bench push --engines epoll,std --links 10,1000 --repeat 7 --html push.html
	oort bench push --links 1000 --rooms 10 --rate 100,500 --duration 30s
	oort bench push --engines epoll -- --sync-writes
	oort bench push --api http://127.0.0.1:3111 --addr tcp://127.0.0.1:3101 --addr ws://127.0.0.1:3102/sub`
}

// Validate refuses a run that could not mean anything.
func (c *Command) Validate() error {
	if c.Server.Running() && len(c.Suite.Engines) > 0 {
		return fmt.Errorf("--engines %s cannot be had of a server that runs already (--api)", strings.Join(c.Suite.Engines, ","))
	}
	for _, check := range []func() error{c.Scenario.Validate, c.Suite.Validate, c.Server.Validate} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Run measures, prints the results and writes them to the files that were
// asked for. It fails with report.ErrFaults if a message was lost, doubled or
// out of order, or a link ended.
func (c *Command) Run(ctx context.Context, out io.Writer) error {
	s := c.Scenario
	s.server = &c.Server
	flags := c.Suite
	if c.Server.Running() {
		flags.Engines = []string{"running"}
	}
	return flags.Measure(ctx, out, os.Stderr, s)
}
