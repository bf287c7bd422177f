package report

import "fmt"

// Sizes of all charts.
const (
	chartWidth = 430.0
	lineHeight = 14.0 // between labels
)

// palette is how many colours the page has; an engine beyond them shares one.
const palette = 8

// colours gives each engine of a run its class, the same in all charts.
type colours map[string]string

func coloursOf(sections []*section) colours {
	c := colours{}
	for _, s := range sections {
		for _, e := range s.engines {
			if _, known := c[e]; !known {
				c[e] = fmt.Sprintf("e%d", len(c)%palette)
			}
		}
	}
	return c
}

// Sizes of bars.
const (
	barRow    = 30.0
	barHeight = 9.0
	valueRoom = 74.0 // for "1,234,567"
	ratioRoom = 76.0 // for "1.18 × floor"
)

// bars is the chart of one metric at one point: a bar for each engine, its
// interval as a line, each sample as a dot, and its floor as a stroke.
//
//	epoll   ▇▇▇▇▇▇▇▇▇▇▇|▇▇▇▇├·•·┤      5.90  1.18 ×
func (s *section) bars(g *group, m *Metric, span []float64, colour colours) drawing {
	cells := g.row(m.Name)
	left := 0.0
	for i, c := range cells {
		if c.Known() {
			left = max(left, widthOf(engineName(s.engines[i])))
		}
	}
	left = min(left, 150) + 10
	right := chartWidth - valueRoom
	if m.Floor != "" {
		right -= ratioRoom
	}
	x := evenScale(append(span, 0), left, right)
	d := drawing{Width: chartWidth, Title: m.Name + " at " + pointTitle(g.point)}
	y := 4.0
	for i, c := range cells {
		if !c.Known() {
			continue
		}
		d.bar(bar{cell: c, name: engineName(s.engines[i]), class: colour[s.engines[i]], samples: g.cases[i].Metric(m.Name).Samples, floor: g.cases[i].floorOf(m)}, x, y)
		y += barRow
	}
	d.line("axis", x.at(0), 0, x.at(0), y)
	d.Height = y + 2
	return d
}

// bar is one row of bars.
type bar struct {
	cell
	name, class string
	samples     []float64
	floor       float64 // 0: none
}

func (d *drawing) bar(b bar, x scale, y float64) {
	middle := y + barRow/2 - 2
	d.text("name", "end", x.from-8, middle+4, clip(b.name, x.from-8))
	from, to := min(x.at(0), x.at(b.Median)), max(x.at(0), x.at(b.Median))
	d.rect("fill "+b.class, from, middle-barHeight/2, to-from, barHeight)
	d.line("reach", x.at(b.Low), middle, x.at(b.High), middle)
	for _, v := range b.samples {
		d.dot("sample", x.at(v), middle, 1.7)
	}
	if b.floor > 0 {
		d.line("floor", x.at(b.floor), y+1, x.at(b.floor), y+barRow-5)
	}
	value := Number(b.Median)
	class := "value"
	if b.Best {
		class = "value best"
	}
	d.text(class, "start", x.to+10, middle+4, value)
	if b.Ratio.N > 0 {
		d.text("ratio", "end", chartWidth, middle+4, Times(b.Ratio.Median)+" floor")
	}
}

// floorOf is the median of m's floor, 0 if it has none.
func (c *Case) floorOf(m *Metric) float64 {
	own := c.Metric(m.Name)
	if own == nil || own.Floor == "" {
		return 0
	}
	return center(c.Metric(own.Floor))
}

// span is all that a chart of the metric name has to reach.
func span(groups []*group, name string) (values []float64) {
	for _, g := range groups {
		for i, c := range g.row(name) {
			if !c.Known() {
				continue
			}
			values = append(values, c.Low, c.High)
			values = append(values, g.cases[i].Metric(name).Samples...)
			if floor := g.cases[i].floorOf(g.cases[i].Metric(name)); floor > 0 {
				values = append(values, floor)
			}
		}
	}
	return values
}

// engineName is what stands for an engine in charts and tables.
func engineName(engine string) string {
	if engine == "" {
		return "oort"
	}
	return engine
}
