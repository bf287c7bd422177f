// Package report keeps what a run of the bench found, and tells it: as a table
// in a terminal, as one HTML page, and as one JSON document from which both
// can be made again and with which another run can be compared.
//
// A Run holds Cases, a Case holds Metrics, a Metric holds Samples:
//
//	run
//	├── environment: kernel, CPU, sysctls, Go, versions, flags, commit
//	├── scenarios: what each one does, and the command that repeats it
//	└── cases: fanout × epoll × members 15,000
//	    ├── metrics: CPU a write, µs: 5.9 6.1 5.8 …, its floor: 4.9 5.1 4.8 …
//	    └── faults: what was not correct
//
// Nothing here measures, and nothing here decides how often.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Tool and Format say what a document is. Format rises when a reader of the
// old one would misread the new one; fields may be added without.
const (
	Tool   = "oort bench"
	Format = 1
)

// Run is one run of the bench, and its JSON document:
//
//	{
//	  "tool": "oort bench", "format": 1,
//	  "started": "2026-01-02T03:04:05Z", "took_ns": 93000000000,
//	  "environment": { "kernel": "6.18.2", … },
//	  "settings": [ {"name": "repeat", "value": "5"}, … ],
//	  "scenarios": [ {"name": "fanout", "about": "…", "command": "oort bench io fanout …"}, … ],
//	  "cases": [ {
//	      "scenario": "fanout", "engine": "epoll",
//	      "point": [ {"name": "members", "value": "15000"}, … ],
//	      "metrics": [ {"name": "CPU a write", "unit": "µs", "better": "lower",
//	                    "floor": "CPU a write, floor", "samples": [5.9, 6.1, 5.8]}, … ],
//	      "timelines": [ {"name": "RSS", "unit": "B", "seconds": [60, 120], "values": [9e6, 9e6]}, … ],
//	      "faults": []
//	  } ]
//	}
//
// Samples stand in the order of the repetitions.
type Run struct {
	Tool        string        `json:"tool"`
	Format      int           `json:"format"`
	Started     time.Time     `json:"started"`
	Took        time.Duration `json:"took_ns"`
	Environment Environment   `json:"environment"`
	// Settings are the choices that hold for all cases.
	Settings []Setting `json:"settings,omitempty"`
	// Scenarios describe those that Cases name. Optional.
	Scenarios []Scenario `json:"scenarios,omitempty"`
	Cases     []*Case    `json:"cases"`
}

// Scenario says what the cases of that name have measured.
type Scenario struct {
	Name    string `json:"name"`
	About   string `json:"about,omitempty"`   // a sentence or two
	Command string `json:"command,omitempty"` // that repeats it
}

// New run that begins now, in the environment of this process.
func New(now time.Time) *Run {
	return &Run{Tool: Tool, Format: Format, Started: now.UTC(), Environment: ReadEnvironment()}
}

// Set notes a choice of the run. For value see Is.
func (r *Run) Set(name string, value any) { r.Settings = append(r.Settings, Is(name, value)) }

// Describe notes what a scenario does; the last word on a name counts.
func (r *Run) Describe(s Scenario) {
	for i := range r.Scenarios {
		if r.Scenarios[i].Name == s.Name {
			r.Scenarios[i] = s
			return
		}
	}
	r.Scenarios = append(r.Scenarios, s)
}

// Case finds the case of that scenario, engine and point, or adds it.
func (r *Run) Case(scenario, engine string, point ...Setting) *Case {
	for _, c := range r.Cases {
		if c.Scenario == scenario && c.Engine == engine && slices.Equal(c.Point, point) {
			return c
		}
	}
	c := &Case{Scenario: scenario, Engine: engine, Point: point}
	r.Cases = append(r.Cases, c)
	return c
}

// Faults are those of all cases, each with the name of its case.
func (r *Run) Faults() (faults []string) {
	for _, c := range r.Cases {
		for _, f := range c.Faults {
			faults = append(faults, c.Title()+": "+f)
		}
	}
	return faults
}

// ErrFaults ends a command whose run was measured but not correct.
var ErrFaults = errors.New("bench: the run was not correct")

// Err is nil if nothing was lost, and else wraps ErrFaults and tells the first
// fault. A run with faults is still written: its figures say where to look.
func (r *Run) Err() error {
	faults := r.Faults()
	switch len(faults) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: %s", ErrFaults, faults[0])
	}
	return fmt.Errorf("%w: %d faults, the first: %s", ErrFaults, len(faults), faults[0])
}

// JSON writes r as one indented document.
func (r *Run) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ErrFormat: a document is not a run that this program can read.
var ErrFormat = errors.New("report: not a run of this format")

// Read reads a document that JSON wrote.
func Read(from io.Reader) (*Run, error) {
	r := new(Run)
	if err := json.NewDecoder(from).Decode(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if r.Tool != Tool || r.Format != Format {
		return nil, fmt.Errorf("%w: it says tool %q, format %d; this program reads %q, format %d",
			ErrFormat, r.Tool, r.Format, Tool, Format)
	}
	for i, c := range r.Cases {
		if c == nil || slices.Contains(c.Metrics, nil) || slices.Contains(c.Timelines, nil) {
			return nil, fmt.Errorf("%w: case %d is null or holds a null metric or timeline", ErrFormat, i)
		}
	}
	return r, nil
}

// ReadFile reads the document in the file of that name.
func ReadFile(name string) (*Run, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return r, nil
}
