// Package chaos is `oort bench chaos`: a cluster of real processes is broken and
// mended on a seeded schedule, while clients and pushers write down what they
// see, and what they wrote is judged against what oort promises.
//
//	fleet    the processes: start, stop, kill, restart
//	proxy    stands between them and breaks their connections
//	history  what was written down
//	check    the judge, a pure function of a history
//
// The plan of blows is the same for the same seed; what the scheduler of the
// machine makes of it is not. So a failure keeps its history and its logs.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/chaos/history"
)

// Command is `oort bench chaos`.
type Command struct {
	Scenario scenario      `default:"mixed" enum:"mixed,processes,wipe,kafka-away,scale" help:"What is done: ${enum}. processes kills and pauses only job and logic; wipe has Redis forget everything; kafka-away takes Kafka away for a minute; scale runs one job, all, one."`
	Seed     uint64        `help:"Seed of the schedule, the clients and the pushers. Zero: a random one, which is printed."`
	Duration time.Duration `default:"1m" help:"How long pushes and blows last."`
	Every    time.Duration `default:"3s" help:"Time between blows, on average."`
	Links    int           `default:"200" help:"Clients; two of each mid."`
	Rooms    int           `default:"10" help:"Rooms."`
	Rate     float64       `default:"100" help:"Pushes a second."`
	Pushers  int           `default:"32" help:"Pushers; each waits for the answer to a push before its next."`
	Moving   float64       `default:"0.3" help:"Share of the clients that change rooms, go and come back, and log in anew from elsewhere."`
	Pace     time.Duration `default:"15s" help:"Time between two moves of such a client, on average."`
	MaxHold  time.Duration `help:"How long jobs hold what a comet does not take. Zero: as long as they do by themselves, which is longer than most blows; a short time makes them drop, so that there is something to explain."`
	Logics   int           `default:"2" help:"Logics."`
	Jobs     int           `default:"2" help:"Jobs."`
	Comets   int           `default:"3" help:"Comets."`

	Dir       string `placeholder:"DIR" help:"Logs, data, and on failure the history. Default: a temporary directory, removed if nothing was violated."`
	Oort      string `placeholder:"FILE" help:"The oort to run. Default: this one."`
	Kfake     string `placeholder:"FILE" help:"The kfake to run (go build ./deploy/kfake). Default: the one beside this oort."`
	KafkaLibs string `placeholder:"DIR" help:"Jars of Apache Kafka (make kafka-libs), to run it in place of kfake."`
	Judge     string `placeholder:"FILE" help:"Run nothing; judge a history that was kept."`
	Fault     string `placeholder:"NAME" hidden:"" help:"Defect to switch on in an oort that was built with the tag faults."`
}

// Examples are shown at the end of --help.
func (*Command) Examples() string {
	return `
	oort bench chaos
	oort bench chaos --links 2000 --rooms 50 --rate 500 --duration 30m
	oort bench chaos --scenario kafka-away --seed 7 --dir /var/tmp/chaos
	oort bench chaos --max-hold 2s
	oort bench chaos --judge /var/tmp/chaos/history.gz`
}

// Config of a run.
type Config struct {
	Command
	Env  []string // for oort's processes
	acts []act
	// calm is how long pushes go on after everything serves again; quiet is how
	// long nothing may arrive for what is under way to count as arrived.
	calm, quiet time.Duration
}

// Validate refuses a run that could not mean anything.
func (c *Command) Validate() error {
	if c.Links < 2 || c.Rooms < 1 || c.Rate <= 0 || c.Pushers < 1 || c.Duration <= 0 || c.Every <= 0 || c.Pace <= 0 {
		return errors.New("--links must be 2 or more, --rooms, --rate, --pushers, --duration, --every and --pace more than 0")
	}
	return nil
}

// Run runs a scenario, prints what was done, and fails with ErrViolated if a
// promise was broken.
func (c *Command) Run(ctx context.Context, out io.Writer) error {
	if c.Judge != "" {
		h, err := history.Load(c.Judge)
		if err != nil {
			return err
		}
		return judge(h, nil, filepath.Dir(c.Judge), out)
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	temporary := c.Dir == ""
	fmt.Fprintf(out, "seed %d, %s, %d blows planned in %v; logs in %s\n", cfg.Seed, cfg.Scenario, len(cfg.acts), cfg.Duration, cfg.Dir)
	h, faults, err := execute(ctx, cfg, out)
	if err != nil {
		return fmt.Errorf("%w (logs in %s)", err, cfg.Dir)
	}
	if err := judge(h, faults, cfg.Dir, out); err != nil {
		return err
	}
	if temporary {
		return os.RemoveAll(cfg.Dir)
	}
	return nil
}

// config fills in what was left open.
func (c *Command) config() (cfg Config, err error) {
	cfg.Command, cfg.calm, cfg.quiet = *c, 3*time.Second, 4*time.Second
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1e9)
	}
	if cfg.Oort == "" {
		if cfg.Oort, err = os.Executable(); err != nil {
			return cfg, fmt.Errorf("chaos: own binary: %w", err)
		}
	}
	if cfg.Kfake, err = fleet.FindKfake(cfg.Kfake, cfg.KafkaLibs, cfg.Oort); err != nil {
		return cfg, err
	}
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "oort-chaos-"); err != nil {
			return cfg, fmt.Errorf("chaos: %w", err)
		}
	}
	if cfg.Fault != "" {
		cfg.Env = append(cfg.Env, "OORT_FAULT="+cfg.Fault)
	}
	cfg.acts = cfg.Scenario.acts(cfg.Seed, cfg.Duration, cfg.Every, cfg.Logics, cfg.Jobs, cfg.Comets)
	return cfg, fleet.Check(cfg.Oort)
}
