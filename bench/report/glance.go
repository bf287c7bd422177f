package report

import "strings"

// glance is one line of the summary: what the scenario is about, at its
// hardest point.
type glance struct {
	Scenario, Anchor, Metric, Unit string
	Words                          string // the point, and the verdict
	Cells                          []glanceCell
}

type glanceCell struct {
	cell
	Class  string
	Length float64 // of the bar, in percent of the longest of the line
}

// glance of a scenario: its first metric, and the p99 of its first
// distribution.
func (s *section) glance(anchor string, engines []string, colour colours) (lines []glance) {
	g := s.last()
	var chosen []*Metric
	for _, m := range metrics([]*group{g}, true) {
		if m.Of == "" {
			chosen = append(chosen, m)
			break
		}
	}
	for _, m := range metrics([]*group{g}, true) {
		if m.Of != "" && m.Quantile == .99 {
			chosen = append(chosen, m)
			break
		}
	}
	for i, m := range chosen {
		point := ""
		if i == 0 { // the other line is of the same
			point = pointTitle(g.point)
		}
		lines = append(lines, s.glanceLine(g, m, glance{
			Scenario: s.Name, Anchor: anchor, Metric: m.Name, Unit: m.Unit, Words: words(point, g.verdict(s.engines, m.Name)),
		}, engines, colour))
	}
	return lines
}

// words joins what is said into sentences.
func words(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p+".")
		}
	}
	return strings.Join(said, " ")
}

func (s *section) glanceLine(g *group, m *Metric, line glance, engines []string, colour colours) glance {
	cells := map[string]cell{}
	longest := 0.0
	for i, c := range g.row(m.Name) {
		cells[s.engines[i]] = c
		longest = max(longest, c.Median)
	}
	for _, e := range engines {
		c := glanceCell{cell: cells[e], Class: colour[e]}
		if longest > 0 {
			c.Length = round(100 * max(c.Median, 0) / longest)
		}
		line.Cells = append(line.Cells, c)
	}
	return line
}
