package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes r as tables, the engines side by side for each point:
//
//	members 15000      epoll              uring
//	CPU a write    µs  5.90 ±3 % 1.18 ×   4.80 ±2 % 0.97 × *
//
// A cell is the median, how far its interval reaches, and the ratio to the
// floor. The star marks what is best beyond the noise.
func (r *Run) Text(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s, %v\n%s\n", r.Started.Format(time.RFC3339), r.Took.Round(time.Second), r.Environment)
	for _, s := range r.Settings {
		fmt.Fprintf(b, "%s: %s\n", s.Name, s.Value)
	}
	for _, warning := range r.Environment.Warnings() {
		fmt.Fprintf(b, "note: %s\n", warning)
	}
	var marks bool
	for _, s := range r.sections() {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSuffix("== "+s.Name+": "+s.About, ": "))
		for _, g := range s.groups {
			marks = s.text(b, g) || marks
		}
	}
	fmt.Fprintf(b, "\n%s\n", legend(marks))
	for _, f := range r.Faults() {
		fmt.Fprintf(b, "\nFAULT: %s", f)
	}
	if r.Err() != nil {
		fmt.Fprintln(b)
	}
	return b.Flush()
}

func legend(marks bool) string {
	s := "median ± reach of its 95 % interval (below six samples: of all samples)"
	if marks {
		s += "; × ratio to the floor; * best beyond the noise"
	}
	return s
}

// text writes the table of one point; true if a cell has a ratio or a mark.
func (s *section) text(w io.Writer, g *group) (marks bool) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t\t%s\n", pointTitle(g.point), strings.Join(s.engines, "\t"))
	one := []*group{g}
	for _, m := range append(metrics(one, true), metrics(one, false)...) {
		fmt.Fprintf(t, "%s\t%s", m.Name, m.Unit)
		for _, c := range g.row(m.Name) {
			fmt.Fprintf(t, "\t%s", c.text())
			marks = marks || c.Best || c.Ratio.N > 0
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	return marks
}

func (c cell) text() string {
	if !c.Known() {
		return "–"
	}
	s := Interval(c.Spread)
	if c.Ratio.N > 0 {
		s += " " + Times(c.Ratio.Median)
	}
	if c.Best {
		s += " *"
	}
	return s
}
