package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/bench/measure"
)

// Case is what one scenario found at one point with one engine. Its metrics
// stand in the order in which they were first added; put the one that the
// scenario is about first.
type Case struct {
	Scenario string `json:"scenario"`
	// Engine is what the cases of a scenario differ in beside the point: an
	// engine's spec, mostly. Cases of one scenario and point are compared by it.
	Engine string `json:"engine"`
	// Point is what was chosen, in the order that tells it best: members 15000,
	// size 64. Numbers are charted along an axis.
	Point   []Setting `json:"point,omitempty"`
	Metrics []*Metric `json:"metrics"`
	// Timelines are figures along the time of the last repetition.
	Timelines []*Timeline `json:"timelines,omitempty"`
	// Faults are what was not correct; a run with any of them has failed.
	Faults []string `json:"faults,omitempty"`
}

// Setting is one choice. Two are the same if both texts are.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Is makes a setting of a number, a string, a bool or a duration. Numbers get
// no exponent, so that a million reads as one.
func Is(name string, value any) Setting {
	switch v := value.(type) {
	case string:
		return Setting{name, v}
	case float64:
		return Setting{name, strconv.FormatFloat(v, 'f', -1, 64)}
	}
	return Setting{name, fmt.Sprint(value)}
}

func (s Setting) String() string { return s.Name + " " + s.Value }

// Number is the value as a number, a duration in seconds; false if it is none.
func (s Setting) Number() (float64, bool) {
	if v, err := strconv.ParseFloat(s.Value, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
		return v, true
	}
	if d, err := time.ParseDuration(s.Value); err == nil {
		return d.Seconds(), true
	}
	return 0, false
}

// pointTitle is a point as a phrase.
func pointTitle(point []Setting) string {
	words := make([]string, len(point))
	for i, s := range point {
		words[i] = s.String()
	}
	return strings.Join(words, ", ")
}

// Title names the case in a line.
func (c *Case) Title() string {
	title := c.Scenario
	if c.Engine != "" {
		title += " " + c.Engine
	}
	if len(c.Point) > 0 {
		title += " (" + pointTitle(c.Point) + ")"
	}
	return title
}

// What is better of a metric. "" is neither: such a metric is context, stands
// in tables and is not judged.
const (
	Lower  = "lower"
	Higher = "higher"
)

// Metric is one figure of a case, measured again in each repetition.
type Metric struct {
	Name   string `json:"name"`
	Unit   string `json:"unit,omitempty"`
	Better string `json:"better,omitempty"` // Lower, Higher or ""
	// Floor names the metric of the same case below which this one cannot lie:
	// the bare system calls of the same minute. The ratio to it is taken within
	// each repetition, so that what slows the machine cancels out.
	Floor string `json:"floor,omitempty"`
	// Of names the distribution that this is a quantile of, Quantile which
	// (0.99; 1 is the maximum). Such metrics are charted together.
	Of       string    `json:"of,omitempty"`
	Quantile float64   `json:"quantile,omitempty"`
	Samples  []float64 `json:"samples"`
}

// Metric finds a metric by its name, nil if there is none.
func (c *Case) Metric(name string) *Metric {
	for _, m := range c.Metrics {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Add appends a sample of the metric name; better is Lower, Higher or "". What
// is no finite number (a division by nothing that happened) is a fault instead.
func (c *Case) Add(name, unit, better string, v float64) *Metric {
	m := c.Metric(name)
	if m == nil {
		m = &Metric{Name: name, Unit: unit, Better: better, Samples: []float64{}}
		c.Metrics = append(c.Metrics, m)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		c.Fault("%s could not be measured: %v", name, v)
		return m
	}
	m.Samples = append(m.Samples, v)
	return m
}

// AddFloor appends a sample of the floor of the metric name, which has been
// added in the same repetition.
func (c *Case) AddFloor(name string, v float64) {
	m := c.Metric(name)
	if m == nil {
		c.Fault("a floor of %q, which was not measured", name)
		return
	}
	m.Floor = FloorOf(name)
	c.Add(m.Floor, m.Unit, "", v)
}

// FloorOf is the name under which AddFloor keeps the floor of the metric name.
func FloorOf(name string) string { return name + ", floor" }

// AddLatency appends the quantiles of one repetition's distribution, in
// microseconds, and nothing if it is empty.
func (c *Case) AddLatency(name string, s measure.Summary) {
	if s.Count == 0 {
		return
	}
	for _, q := range []struct {
		name string
		at   float64
		d    time.Duration
	}{{"p50", .5, s.P50}, {"p90", .9, s.P90}, {"p99", .99, s.P99}, {"p99.9", .999, s.P999}, {"max", 1, s.Max}} {
		m := c.Add(name+" "+q.name, "µs", Lower, float64(q.d.Nanoseconds()/100)/10)
		m.Of, m.Quantile = name, q.at
	}
}

// Fault notes that something was not correct.
func (c *Case) Fault(format string, args ...any) {
	c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
}

// Ratios are the samples of m, a metric of c, divided by those of its floor;
// nil if it has none. Where a repetition misses one of the two there are no
// pairs any more, and all are divided by the floor's median.
func (c *Case) Ratios(m *Metric) []float64 {
	floor := c.Metric(m.Floor)
	if m.Floor == "" || floor == nil || len(floor.Samples) == 0 {
		return nil
	}
	var ratios []float64
	for i, v := range m.Samples {
		by := measure.Center(floor.Samples).Median
		if len(floor.Samples) == len(m.Samples) {
			by = floor.Samples[i]
		}
		if by > 0 {
			ratios = append(ratios, v/by)
		}
	}
	return ratios
}
