package report

import "github.com/oortim/oort/bench/measure"

// Timeline is how one figure of a case went while it was measured: for what
// must not grow, and for what a median would hide. It is shown and not judged.
type Timeline struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit,omitempty"`
	Seconds []float64 `json:"seconds"` // since the beginning
	Values  []float64 `json:"values"`  // as many
}

// Timeline finds a timeline by its name, nil if there is none.
func (c *Case) Timeline(name string) *Timeline {
	for _, t := range c.Timelines {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Trace keeps a timeline; of several repetitions the last one's stays.
func (c *Case) Trace(t Timeline) {
	if old := c.Timeline(t.Name); old != nil {
		*old = t
		return
	}
	c.Timelines = append(c.Timelines, &t)
}

// timelines are those of all cases of s, a figure each, one chart for each point.
func (s *section) timelines(colour colours) (figures []figure) {
	for _, first := range s.courses() {
		f := figure{Name: first.Name, Unit: first.Unit}
		for _, g := range s.groups {
			if d, ok := s.course(g, first.Name, colour); ok {
				f.Charts = append(f.Charts, panelChart{pointTitle(s.distinct(g)), d})
			}
		}
		figures = append(figures, f)
	}
	return figures
}

// courses are the first timeline of each name.
func (s *section) courses() (all []*Timeline) {
	seen := map[string]bool{}
	for _, g := range s.groups {
		for _, c := range g.cases {
			if c == nil {
				continue
			}
			for _, t := range c.Timelines {
				if !seen[t.Name] {
					seen[t.Name] = true
					all = append(all, t)
				}
			}
		}
	}
	return all
}

// course is the chart of one timeline at one point, a line for each engine;
// false if none has two readings.
func (s *section) course(g *group, name string, colour colours) (d drawing, ok bool) {
	var all []series
	var reach, ends []float64
	for i, engine := range s.engines {
		if g.cases[i] == nil {
			continue
		}
		t := g.cases[i].Timeline(name)
		if t == nil || len(t.Values) < 2 || len(t.Seconds) < len(t.Values) {
			continue
		}
		line := series{name: engineName(engine), class: colour[engine], xs: t.Seconds[:len(t.Values)]}
		for _, v := range t.Values {
			line.ys = append(line.ys, measure.Spread{N: 1, Median: v, Low: v, High: v})
		}
		all = append(all, line)
		reach = append(reach, t.Values...)
		ends = append(ends, line.xs[0], line.xs[len(line.xs)-1])
	}
	if len(all) == 0 {
		return d, false
	}
	chart := newPlot(name+" in time", all, reach, wideMetric)
	chart.x = along(ends, chart.x.from, chart.x.to)
	chart.x.log = false
	chart.verticalAxis()
	var ticks []tick
	for _, v := range chart.x.ticks() {
		ticks = append(ticks, tick{v, short(v)})
	}
	chart.horizontalAxis("seconds", ticks)
	chart.lines()
	return chart.drawing, true
}
