// Package compare says what changed between two runs of the bench, beyond the
// noise of their repetitions.
//
// Cases are paired by scenario, engine and point, their metrics by name, and
// each pair is judged by measure.Compare. A metric with a floor is followed by
// its ratio to it. The ratio is taken within each repetition, so it forgives
// what made the whole machine slower between the two runs, which the metric
// itself cannot.
package compare

import (
	"math"
	"slices"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
)

// Comparison of two runs.
type Comparison struct {
	Old, New *report.Run
	// Changed are settings of the machines and of the runs that are not the
	// same, without those that always differ.
	Changed []Change
	Pairs   []Pair
	// OnlyOld and OnlyNew are the titles of cases that the other run lacks.
	OnlyOld, OnlyNew []string
}

// Change of a setting; "" where a run does not have it.
type Change struct{ Name, Old, New string }

// Pair is a case that both runs have.
type Pair struct {
	Title string
	Lines []Line
}

// Line is a metric of a pair, or its ratio to the floor.
type Line struct {
	Name, Unit, Better string
	Ratio              bool // to the floor, of the metric before
	Old, New           measure.Spread
	Verdict            measure.Verdict
	P                  float64 // see measure.Compare
	// judged by its ratio, which follows
	hasRatio bool
}

// Runs compares two runs.
func Runs(old, new *report.Run) *Comparison {
	c := &Comparison{Old: old, New: new, Changed: changed(slices.Concat(old.Environment.Comparable(), old.Settings), slices.Concat(new.Environment.Comparable(), new.Settings))}
	for _, was := range old.Cases {
		is := find(new, was)
		if is == nil {
			c.OnlyOld = append(c.OnlyOld, was.Title())
			continue
		}
		c.Pairs = append(c.Pairs, Pair{Title: was.Title(), Lines: lines(was, is)})
	}
	for _, is := range new.Cases {
		if find(old, is) == nil {
			c.OnlyNew = append(c.OnlyNew, is.Title())
		}
	}
	return c
}

// find is the case of r that is like c, nil if there is none. The order of the
// settings in a point does not matter.
func find(r *report.Run, c *report.Case) *report.Case {
	for _, o := range r.Cases {
		if o.Scenario == c.Scenario && o.Engine == c.Engine && slices.Equal(sorted(o.Point), sorted(c.Point)) {
			return o
		}
	}
	return nil
}

func sorted(point []report.Setting) []report.Setting {
	return slices.SortedFunc(slices.Values(point), func(a, b report.Setting) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
}

func lines(was, is *report.Case) (all []Line) {
	for _, m := range was.Metrics {
		n := is.Metric(m.Name)
		if n == nil || n.Unit != m.Unit || len(m.Samples) == 0 || len(n.Samples) == 0 {
			continue
		}
		l := line(m.Name, m.Unit, m.Better, m.Samples, n.Samples)
		before, after := was.Ratios(m), is.Ratios(n)
		l.hasRatio = len(before) > 0 && len(after) > 0
		all = append(all, l)
		if l.hasRatio {
			r := line(m.Name+" ÷ floor", "×", m.Better, before, after)
			r.Ratio = true
			all = append(all, r)
		}
	}
	return all
}

func line(name, unit, better string, was, is []float64) Line {
	l := Line{Name: name, Unit: unit, Better: better, Old: measure.Center(was), New: measure.Center(is)}
	l.Verdict, l.P = measure.Compare(was, is)
	return l
}

// Percent is by how much the median changed. From nothing to something it is
// infinite.
func (l Line) Percent() float64 {
	switch {
	case l.Old.Median == l.New.Median:
		return 0
	case l.Old.Median == 0:
		return math.Inf(1)
	}
	return 100 * (l.New.Median - l.Old.Median) / math.Abs(l.Old.Median)
}

// Worse says whether the metric is judged and moved, beyond the noise, the
// wrong way.
func (l Line) Worse() bool {
	up := l.New.Median > l.Old.Median
	return l.moved() && (l.Better == report.Lower && up || l.Better == report.Higher && !up)
}

// Improved says whether it moved the right way.
func (l Line) Improved() bool { return l.moved() && l.Better != "" && !l.Worse() }

func (l Line) moved() bool { return l.Verdict == measure.Differ && l.Old.Median != l.New.Median }

// Regressions are the lines that became worse by percent or more, each behind
// the title of its case. A metric with a floor counts by its ratio.
func (c *Comparison) Regressions(percent float64) (all []string) {
	for _, p := range c.Pairs {
		for _, l := range p.Lines {
			if l.Worse() && !l.hasRatio && math.Abs(l.Percent()) >= percent {
				all = append(all, p.Title+": "+l.Name)
			}
		}
	}
	return all
}

// Judged is how many metrics are judged, and how many of them moved.
func (c *Comparison) Judged() (judged, moved int) {
	for _, p := range c.Pairs {
		for _, l := range p.Lines {
			if l.Better == "" || l.Verdict == measure.TooFew {
				continue
			}
			judged++
			if l.moved() {
				moved++
			}
		}
	}
	return judged, moved
}

func changed(old, new []report.Setting) (all []Change) {
	value := func(of []report.Setting, name string) string {
		for _, s := range of {
			if s.Name == name {
				return s.Value
			}
		}
		return ""
	}
	for _, s := range old {
		if v := value(new, s.Name); v != s.Value {
			all = append(all, Change{s.Name, s.Value, v})
		}
	}
	for _, s := range new {
		if value(old, s.Name) == "" {
			all = append(all, Change{s.Name, "", s.Value})
		}
	}
	return all
}
