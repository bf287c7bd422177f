package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/poller/engines"
)

// Flags are what every measurement can be told.
type Flags struct {
	Engines []string `placeholder:"SPEC" help:"Engines to measure, by turns, each with its options: epoll,uring,epoll+private. Default: all that this machine runs."`
	Repeat  int      `default:"5" help:"Rounds of each engine at each point; four are the least that tells a difference from noise."`
	Warmup  int      `default:"1" help:"Rounds of each engine that are forgotten, at the first point of each scenario."`
	Loops   int      `default:"0" help:"Reactor loops of the server; 0: one a CPU."`
	JSON    string   `name:"json" placeholder:"FILE" type:"path" help:"Write the results as JSON, for oort bench compare and report."`
	CPUDir  string   `name:"cpu-profiles" placeholder:"DIR" type:"path" help:"Write a CPU profile of the server under test for each round there, for go tool pprof, from scenarios that make them."`
	HTML    string   `name:"html" placeholder:"FILE" type:"path" help:"Write the results as one HTML page."`
}

// Validate refuses what cannot be run.
func (f *Flags) Validate() error {
	if f.Repeat < 1 || f.Warmup < 0 || f.Loops < 0 {
		return fmt.Errorf("--repeat %d, --warmup %d, --loops %d: one round is the least, and nothing can be negative", f.Repeat, f.Warmup, f.Loops)
	}
	for _, spec := range f.Engines {
		if err := engines.Check(spec); err != nil {
			return err
		}
	}
	return nil
}

// Command is the command of one scenario: its own flags and the suite's.
type Command[S Scenario] struct {
	Scenario S `embed:""`
	Flags    `group:"Run"`
}

// Examples are the scenario's, if it has any.
func (c *Command[S]) Examples() string {
	if e, ok := any(c.Scenario).(interface{ Examples() string }); ok {
		return e.Examples()
	}
	return ""
}

// Validate checks both kinds of flags.
func (c *Command[S]) Validate() error {
	if v, ok := any(c.Scenario).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return c.Flags.Validate()
}

// Run measures the scenario.
func (c *Command[S]) Run(ctx context.Context, out io.Writer) error {
	return c.Measure(ctx, out, os.Stderr, c.Scenario)
}

// Measure has scenarios measured, writes the results to out and to the files
// that were asked for, and shows its progress on watch. It fails if something
// was not correct, though what was measured is written in any case.
func (f *Flags) Measure(ctx context.Context, out, watch io.Writer, scenarios ...Scenario) error {
	run := report.New(time.Now())
	run.Set("repeat", f.Repeat)
	run.Set("warmup", f.Warmup)
	if f.Loops > 0 {
		run.Set("loops", f.Loops)
	}
	for _, s := range scenarios {
		run.Describe(report.Scenario{Name: s.Name(), About: s.About(), Command: "oort " + strings.Join(os.Args[1:], " ")})
	}
	if f.CPUDir != "" {
		if err := os.MkdirAll(f.CPUDir, 0o777); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	err := conduct(ctx, run, plan(scenarios, f.specs, f.Warmup, f.Repeat), f, newProgress(watch))
	lendFloors(run)
	run.Took = time.Since(run.Started)
	return errors.Join(err, f.write(run, out), run.Err())
}

// specs are the engines to measure s on.
func (f *Flags) specs(s Scenario) []string {
	if len(f.Engines) > 0 {
		return f.Engines
	}
	if c, ok := s.(Choosy); ok {
		return c.Engines()
	}
	return engines.Names()
}

func (f *Flags) write(run *report.Run, out io.Writer) error {
	err := run.Text(out)
	if f.JSON != "" {
		err = errors.Join(err, writeFile(f.JSON, run.JSON))
	}
	if f.HTML != "" {
		err = errors.Join(err, writeFile(f.HTML, run.HTML))
	}
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return errors.Join(write(file), file.Close())
}
