package compare

import (
	"errors"
	"fmt"
	"io"

	"github.com/oortim/oort/bench/report"
)

// Command is `oort bench compare`.
type Command struct {
	Old string `arg:"" type:"existingfile" help:"Results of the earlier run, from its --json."`
	New string `arg:"" type:"existingfile" help:"Results of the later run."`

	All              bool     `help:"Show metrics that are neither better nor worse, too."`
	FailOnRegression *float64 `placeholder:"PERCENT" help:"Fail if a metric is worse by so much, beyond the noise, or if the later run was not correct. A metric with a floor counts by its ratio."`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench compare before.json after.json
	oort bench compare --fail-on-regression 5 before.json after.json`
}

// Validate refuses a threshold that means nothing.
func (c *Command) Validate() error {
	if c.FailOnRegression != nil && *c.FailOnRegression < 0 {
		return fmt.Errorf("--fail-on-regression must not be negative, but is %v", *c.FailOnRegression)
	}
	return nil
}

// ErrRegression ends a comparison that was asked to fail on one.
var ErrRegression = errors.New("compare: worse beyond the noise")

// Run reads, compares and prints. Without a threshold it succeeds whatever it
// finds.
func (c *Command) Run(out io.Writer) error {
	old, err := report.ReadFile(c.Old)
	if err != nil {
		return err
	}
	new, err := report.ReadFile(c.New)
	if err != nil {
		return err
	}
	found := Runs(old, new)
	if err := found.Text(out, c.All); err != nil {
		return err
	}
	if c.FailOnRegression == nil {
		return nil
	}
	return errors.Join(new.Err(), found.fail(*c.FailOnRegression))
}

// fail is an error if a metric is worse by percent, or if there was nothing to
// compare: a check that checks nothing must not pass.
func (c *Comparison) fail(percent float64) error {
	if judged, _ := c.Judged(); judged == 0 {
		return errors.New("compare: nothing could be judged")
	}
	if worse := c.Regressions(percent); len(worse) > 0 {
		return fmt.Errorf("%w: %d metrics by %v %% or more, the first: %s", ErrRegression, len(worse), percent, worse[0])
	}
	return nil
}
