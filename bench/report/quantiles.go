package report

import "math"

// distributions are the names in the groups' metrics that quantiles are of.
func distributions(groups []*group) (names []string) {
	seen := map[string]bool{}
	for _, m := range metrics(groups, true) {
		if m.Of != "" && !seen[m.Of] {
			seen[m.Of] = true
			names = append(names, m.Of)
		}
	}
	return names
}

// quantilesOf are the metrics of the distribution of that name.
func quantilesOf(groups []*group, name string) (all []*Metric) {
	for _, m := range metrics(groups, true) {
		if m.Of == name {
			all = append(all, m)
		}
	}
	return all
}

// quantiles is the chart of one distribution at one point: a line for each
// engine, over quantiles that stand as far apart as their nines.
func (s *section) quantiles(g *group, name string, span []float64, colour colours) drawing {
	var all []series
	for i, engine := range s.engines {
		line := series{name: engineName(engine), class: colour[engine]}
		for _, m := range quantilesOf([]*group{g}, name) {
			if c := g.row(m.Name)[i]; c.Known() {
				line.xs, line.ys = append(line.xs, nines(m.Quantile)), append(line.ys, c.Spread)
			}
		}
		if len(line.xs) > 0 {
			all = append(all, line)
		}
	}
	chart := newPlot(name+" at "+pointTitle(g.point), all, span, wideLatency)
	chart.x.log = false // they are logarithms
	chart.verticalAxis()
	var ticks []tick
	for _, m := range quantilesOf([]*group{g}, name) {
		ticks = append(ticks, tick{nines(m.Quantile), m.Name[min(len(name)+1, len(m.Name)):]})
	}
	chart.horizontalAxis("", ticks)
	chart.lines()
	return chart.drawing
}

// nines is how many nines q has: 1 of 0.9, 2 of 0.99; the maximum, which has
// all of them, stands one beyond 0.999.
func nines(q float64) float64 {
	if q >= 1 {
		return 4
	}
	return -math.Log10(1 - q)
}
