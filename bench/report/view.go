package report

import (
	"slices"

	"github.com/oortim/oort/bench/measure"
)

// section is the cases of one scenario.
type section struct {
	Scenario
	engines []string // in the order of the run, which is that of --engines
	groups  []*group // in the order of the run
}

// group is the cases of one scenario at one point: what can be compared.
type group struct {
	point []Setting
	cases []*Case // one for each of section.engines, nil if it did not run
}

// sections arranges the cases of r.
func (r *Run) sections() (all []*section) {
	for _, c := range r.Cases {
		i := slices.IndexFunc(all, func(s *section) bool { return s.Name == c.Scenario })
		if i < 0 {
			i = len(all)
			all = append(all, &section{Scenario: r.scenario(c.Scenario)})
		}
		if s := all[i]; !slices.Contains(s.engines, c.Engine) {
			s.engines = append(s.engines, c.Engine)
		}
	}
	for _, c := range r.Cases {
		for _, s := range all {
			if s.Name == c.Scenario {
				s.add(c)
			}
		}
	}
	return all
}

func (r *Run) scenario(name string) Scenario {
	for _, s := range r.Scenarios {
		if s.Name == name {
			return s
		}
	}
	return Scenario{Name: name}
}

func (s *section) add(c *Case) {
	i := slices.IndexFunc(s.groups, func(g *group) bool { return slices.Equal(g.point, c.Point) })
	if i < 0 {
		i = len(s.groups)
		s.groups = append(s.groups, &group{point: c.Point, cases: make([]*Case, len(s.engines))})
	}
	s.groups[i].cases[slices.Index(s.engines, c.Engine)] = c
}

// metrics are the first of each name in the groups, in the order in which
// cases have them: those that are judged, or those that are not.
func metrics(groups []*group, judged bool) (all []*Metric) {
	for _, g := range groups {
		for _, c := range g.cases {
			if c == nil {
				continue
			}
			for _, m := range c.Metrics {
				if (m.Better != "") == judged && !slices.ContainsFunc(all, func(o *Metric) bool { return o.Name == m.Name }) {
					all = append(all, m)
				}
			}
		}
	}
	return all
}

// cell is one metric of one case.
type cell struct {
	measure.Spread
	Ratio measure.Spread // to the floor; N is 0 without one
	Best  bool           // better than each other case, beyond the noise
}

// Known says whether there is anything to show.
func (c cell) Known() bool { return c.N > 0 }

// row is one metric over the cases of g.
func (g *group) row(name string) []cell {
	cells := make([]cell, len(g.cases))
	for i, c := range g.cases {
		if c == nil {
			continue
		}
		if m := c.Metric(name); m != nil {
			cells[i] = cell{Spread: measure.Center(m.Samples), Ratio: measure.Center(c.Ratios(m))}
		}
	}
	if leaders, sure := g.leaders(name); sure && len(leaders) == 1 {
		cells[leaders[0]].Best = true
	}
	return cells
}

// leaders are the cases, by their place in g.cases, that nothing is better
// than beyond the noise: the one with the best median first, then those that
// cannot be told from it. sure is false if there are too few samples to tell,
// or nothing to compare.
func (g *group) leaders(name string) (leaders []int, sure bool) {
	samples := make([][]float64, len(g.cases))
	best, known := -1, 0
	var better string
	for i, c := range g.cases {
		if c == nil || c.Metric(name) == nil || len(c.Metric(name).Samples) == 0 {
			continue
		}
		m := c.Metric(name)
		samples[i], better = m.Samples, m.Better
		known++
		if best < 0 || beats(better, samples[i], samples[best]) {
			best = i
		}
	}
	if known < 2 || better == "" {
		return nil, false
	}
	leaders = []int{best}
	for i, s := range samples {
		if i == best || s == nil {
			continue
		}
		switch v, _ := measure.Compare(samples[best], s); v {
		case measure.TooFew:
			return nil, false
		case measure.Same:
			leaders = append(leaders, i)
		}
	}
	return leaders, true
}

// beats says whether the median of a is better than that of b.
func beats(better string, a, b []float64) bool {
	x, y := measure.Center(a).Median, measure.Center(b).Median
	if better == Higher {
		return x > y
	}
	return x < y
}
