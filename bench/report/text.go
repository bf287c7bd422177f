package report

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/oortim/oort/bench/measure"
)

// Text writes r as tables.
func (r *Run) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s\n", r.Started.Format(time.RFC3339), r.Environment)
	for _, c := range r.Cases {
		fmt.Fprintf(w, "\n%s\n", c.Title())
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, m := range c.Metrics {
			s := measure.Center(m.Samples)
			fmt.Fprintf(t, "%s\t%s\t%s\n", m.Name, number(s.Median), m.Unit)
		}
		t.Flush()
	}
	for _, f := range r.Faults() {
		fmt.Fprintf(w, "\nFAULT: %s", f)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// number has a decimal only where it says something.
func number(v float64) string {
	if v >= 1000 || v == float64(int64(v)) {
		return strconv.FormatInt(int64(v+.5), 10)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
