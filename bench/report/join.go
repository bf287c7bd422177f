package report

import (
	"errors"
	"fmt"
	"slices"
)

// ErrMixed: runs cannot be shown as one.
var ErrMixed = errors.New("report: not runs of one machine and program")

// Comparable are the settings of a run's machine and program that its figures
// depend on: all but those that differ between any two runs and say nothing.
func (e Environment) Comparable() []Setting {
	return slices.DeleteFunc(e.Settings(), func(s Setting) bool {
		return slices.Contains([]string{"load average", "commit", "command"}, s.Name)
	})
}

// Join makes one run of several that measured different cases on one machine
// with one program. Settings that they do not share are left out.
func Join(runs ...*Run) (*Run, error) {
	if len(runs) == 1 {
		return runs[0], nil
	}
	all := &Run{Tool: Tool, Format: Format}
	for i, r := range runs {
		if i == 0 {
			all.Started, all.Environment, all.Settings = r.Started, r.Environment, slices.Clone(r.Settings)
			all.Environment.Args = nil // each scenario has its command
		}
		if err := all.join(r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *Run) join(o *Run) error {
	if r.Environment.Commit != o.Environment.Commit {
		return fmt.Errorf("%w: commits %q and %q", ErrMixed, r.Environment.Commit, o.Environment.Commit)
	}
	if a, b := r.Environment.Comparable(), o.Environment.Comparable(); !slices.Equal(a, b) {
		return fmt.Errorf("%w: %v and %v", ErrMixed, slices.DeleteFunc(a, in(b)), slices.DeleteFunc(o.Environment.Comparable(), in(r.Environment.Comparable())))
	}
	for _, c := range o.Cases {
		n := len(r.Cases)
		if *r.Case(c.Scenario, c.Engine, c.Point...) = *c; len(r.Cases) == n {
			return fmt.Errorf("%w: more than one has %s", ErrMixed, c.Title())
		}
	}
	for _, s := range o.Scenarios {
		r.Describe(s)
	}
	r.Settings = slices.DeleteFunc(r.Settings, func(s Setting) bool { return !slices.Contains(o.Settings, s) })
	if o.Started.Before(r.Started) {
		r.Started, r.Environment.Load = o.Started, o.Environment.Load
	}
	r.Took += o.Took
	return nil
}

func in(settings []Setting) func(Setting) bool {
	return func(s Setting) bool { return slices.Contains(settings, s) }
}
