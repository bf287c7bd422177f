// Package directed measures pushes to one key each on their whole way: HTTP API,
// Redis, Kafka, job, comet, socket, each a process of its own. Beside it stands
// what goim's design costs at the least: one Redis look-up and one Kafka record a
// push, as a bare loop with the same servers, the same libraries and as many
// callers at once, in the same round.
//
//	pusher ──▶ logic ──▶ kafka ──▶ job ──▶ comet ──▶ client       oort
//	             └──▶ redis
//	caller ──▶ redis, kafka                                       bare loop
package directed

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/poller/engines"
)

// Command is `oort bench directed`.
type Command struct {
	Pushers  []int         `default:"64" help:"Requests under way at a time; several with commas, each a point."`
	Links    int           `default:"1000" help:"Clients; each pusher has its own ones in turn."`
	Body     int           `default:"64" help:"Bytes of a message."`
	Batch    []int         `default:"1" help:"Pushes a request, to one key each; several with commas, each a point."`
	Duration time.Duration `default:"5s" help:"How long each of the two is measured in a round."`

	Kfake     string `placeholder:"FILE" help:"The kfake to run (go build ./deploy/kfake). Default: the one beside this oort."`
	KafkaLibs string `placeholder:"DIR" help:"Jars of Apache Kafka (make kafka-libs), to run it in place of kfake."`

	suite.Flags `group:"Run"`
}

// Examples are shown at the end of --help.
func (*Command) Examples() string {
	return `
	oort bench directed
	oort bench directed --pushers 1,16,64,256 --repeat 7 --html directed.html
	oort bench directed --batch 1,16
	oort bench directed --repeat 1 --cpu-profiles profiles`
}

// batchMost is as many as logic takes in a request by default.
const batchMost = 100

// Validate refuses a run that could not mean anything.
func (c *Command) Validate() error {
	for _, n := range c.Pushers {
		if n < 1 || n > c.Links {
			return fmt.Errorf("--pushers %d is not 1 to --links %d: each link belongs to one pusher, so that its messages have an order", n, c.Links)
		}
	}
	for _, n := range c.Batch {
		if n < 1 || n > batchMost {
			return fmt.Errorf("--batch %d is not 1 to %d", n, batchMost)
		}
	}
	if c.Body < stamp.Len || c.Duration <= 0 {
		return fmt.Errorf("--body must be at least %d, and --duration more than 0", stamp.Len)
	}
	return c.Flags.Validate()
}

// Run measures, prints the results and writes them to the files that were asked
// for. It fails if a message was lost, doubled or out of order.
func (c *Command) Run(ctx context.Context, out io.Writer) error {
	oort, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: own binary: %w", err)
	}
	kfake, err := fleet.FindKfake(c.Kfake, c.KafkaLibs, oort)
	if err != nil {
		return err
	}
	return c.Measure(ctx, out, os.Stderr, scenario{c, fleet.Options{Oort: oort, Kfake: kfake, KafkaLibs: c.KafkaLibs, Logics: 1, Jobs: 1, Comets: 1}})
}

// scenario is what is measured; a suite.Scenario.
type scenario struct {
	*Command
	fleet fleet.Options
}

func (s scenario) Name() string { return "directed push" }

func (s scenario) About() string {
	return "Pushes to one key each, from the HTTP API to the socket, as many as go with so many under way; each part is a process. " +
		"The floor is a bare loop in the bench's process, of one Redis look-up and one Kafka record a push: no API, no job, no comet, nobody who gets it."
}

// Engines: the comet's engine hardly matters here.
func (s scenario) Engines() []string { return engines.Names()[:1] }

func (s scenario) Points() (points []suite.Point) {
	for _, pushers := range s.Pushers {
		for _, batch := range s.Batch {
			points = append(points, point{s, pushers, batch})
		}
	}
	return points
}
