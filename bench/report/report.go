// Package report tells what a scenario found: a table for people, JSON for
// programs, always with the conditions beside the figures.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/oortim/oort/bench/measure"
)

// Report of one run.
type Report struct {
	Scenario    string      `json:"scenario"`
	Started     time.Time   `json:"started"`
	Environment Environment `json:"environment"`
	Settings    []Setting   `json:"settings"`
	Figures     []Figure    `json:"figures"`
	Latencies   []Latency   `json:"latencies"`
	// Faults are what was not correct; a run with any of them has failed.
	Faults []string `json:"faults"`
}

// Setting is one choice of the run.
type Setting struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Figure is one number; Unit may be empty.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Latency is a distribution, in microseconds.
type Latency struct {
	Name  string  `json:"name"`
	Count int64   `json:"count"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Max   float64 `json:"max_us"`
}

// New report of a run that begins.
func New(scenario string, now time.Time) *Report {
	return &Report{Scenario: scenario, Started: now.UTC(), Environment: ReadEnvironment()}
}

// Set notes a choice of the run.
func (r *Report) Set(name string, value any) { r.Settings = append(r.Settings, Setting{name, value}) }

// Figure notes a number.
func (r *Report) Figure(name string, value float64, unit string) {
	r.Figures = append(r.Figures, Figure{name, value, unit})
}

// Latency notes a distribution, if there is any.
func (r *Report) Latency(name string, s measure.Summary) {
	if s.Count == 0 {
		return
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()/100) / 10 }
	r.Latencies = append(r.Latencies, Latency{name, s.Count, us(s.P50), us(s.P90), us(s.P99), us(s.P999), us(s.Max)})
}

// Fault notes that something was not correct.
func (r *Report) Fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// JSON writes r as one indented object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes r as tables.
func (r *Report) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s\n%s\n\n", r.Scenario, r.Started.Format(time.RFC3339), r.Environment)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Settings {
		fmt.Fprintf(t, "%s\t%v\n", s.Name, s.Value)
	}
	fmt.Fprintln(t)
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%s %s\n", f.Name, number(f.Value), f.Unit)
	}
	t.Flush()
	if len(r.Latencies) > 0 {
		fmt.Fprintln(w)
		t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "latency, µs\tcount\tp50\tp90\tp99\tp99.9\tmax\t")
		for _, l := range r.Latencies {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t\n", l.Name, l.Count,
				number(l.P50), number(l.P90), number(l.P99), number(l.P999), number(l.Max))
		}
		t.Flush()
	}
	for _, f := range r.Faults {
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
