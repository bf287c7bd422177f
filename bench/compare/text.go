package compare

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
)

// Text writes c: first what makes the runs hard to compare, then the judged
// metrics of each pair, then the sum. With context, metrics that are not
// judged are shown too.
func (c *Comparison) Text(w io.Writer, context bool) error {
	b := bufio.NewWriter(w)
	c.preface(b)
	for _, p := range c.Pairs {
		fmt.Fprintf(b, "\n%s\n", p.Title)
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, l := range p.Lines {
			if context || l.Better != "" {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.Name, l.Unit, report.Interval(l.Old), report.Interval(l.New), l.change())
			}
		}
		t.Flush()
	}
	c.sum(b)
	return b.Flush()
}

func (c *Comparison) preface(w io.Writer) {
	for _, r := range []struct {
		name string
		run  *report.Run
	}{{"old", c.Old}, {"new", c.New}} {
		fmt.Fprintf(w, "%s: %s, %s\n", r.name, r.run.Started.Format("2006-01-02 15:04:05"), r.run.Environment)
		for _, f := range r.run.Faults() {
			fmt.Fprintf(w, "FAULT in %s: %s\n", r.name, f)
		}
		for _, warning := range r.run.Environment.Warnings() {
			fmt.Fprintf(w, "note on %s: %s\n", r.name, warning)
		}
	}
	if len(c.Changed) > 0 {
		fmt.Fprintln(w, "\nNot the same conditions, so the difference may not be oort's:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range c.Changed {
			fmt.Fprintf(t, "  %s\t%s\t→ %s\n", s.Name, orNone(s.Old), orNone(s.New))
		}
		t.Flush()
	}
}

func (c *Comparison) sum(w io.Writer) {
	fmt.Fprintln(w)
	for _, title := range c.OnlyOld {
		fmt.Fprintf(w, "only in old: %s\n", title)
	}
	for _, title := range c.OnlyNew {
		fmt.Fprintf(w, "only in new: %s\n", title)
	}
	judged, moved := c.Judged()
	switch {
	case len(c.Pairs) == 0:
		fmt.Fprintln(w, "The runs have no case in common.")
	case judged == 0:
		fmt.Fprintln(w, "Too few repetitions to judge anything: four of each are the least, six are better.")
	default:
		fmt.Fprintf(w, "%d of %d metrics moved beyond the noise; by chance alone about %s would.\n",
			moved, judged, report.Number(math.Round(float64(judged)*measure.Alpha)))
	}
}

// change in words.
func (l Line) change() string {
	switch {
	case l.Verdict == measure.TooFew:
		return fmt.Sprintf("too few samples (%d and %d)", l.Old.N, l.New.N)
	case !l.moved():
		return "~"
	}
	s := "changed"
	switch {
	case l.Worse():
		s = "WORSE"
	case l.Improved():
		s = "better"
	}
	by := "from 0"
	if p := l.Percent(); !math.IsInf(p, 0) {
		by = report.Percent(p)
		if p > 0 {
			by = "+" + by
		}
	}
	return fmt.Sprintf("%s  %s  p = %.3f", by, s, l.P)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
