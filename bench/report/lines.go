package report

import "github.com/oortim/oort/bench/measure"

// Sizes of charts with two axes.
const (
	plotTop    = 8.0
	plotLeft   = 46.0
	plotHeight = 170.0
	plotBelow  = 36.0 // for the horizontal axis
)

// series is one line of a chart.
type series struct {
	name, class string
	xs          []float64
	ys          []measure.Spread
}

// plot is a chart with two axes and a name at the end of each line.
type plot struct {
	drawing
	x, y   scale
	series []series
}

// wideMetric and wideLatency are the ratios above which a vertical axis is
// logarithmic. Tails are many times the median as a rule.
const (
	wideMetric  = 30
	wideLatency = 5
)

// newPlot has the axes for series; span is what the vertical one must reach,
// which charts beside each other share, and wide as for scaleFor.
func newPlot(title string, all []series, span []float64, wide float64) *plot {
	right := 0.0
	for _, s := range all {
		right = max(right, widthOf(s.name))
	}
	right = min(right, 130) + 12
	var xs []float64
	for _, s := range all {
		xs = append(xs, s.xs...)
	}
	return &plot{
		drawing: drawing{Width: chartWidth, Height: plotTop + plotHeight + plotBelow, Title: title},
		x:       along(xs, plotLeft+12, chartWidth-right),
		y:       scaleFor(span, wide, plotTop+plotHeight, plotTop),
		series:  all,
	}
}

// verticalAxis has a hair line and a number at each tick.
func (p *plot) verticalAxis() {
	for _, v := range p.y.ticks() {
		y := p.y.at(v)
		p.line("grid", plotLeft, y, p.x.to+6, y)
		p.text("tick", "end", plotLeft-6, y+4, short(v))
	}
}

// tick is a place on the horizontal axis.
type tick struct {
	at   float64
	name string
}

// horizontalAxis names what was chosen, and nothing between; a name that would
// run into the one before is left out, but never the last.
func (p *plot) horizontalAxis(title string, ticks []tick) {
	y := p.y.from
	p.line("axis", plotLeft, y, p.x.to+6, y)
	last := 1e9
	for i := len(ticks) - 1; i >= 0; i-- {
		t := ticks[i]
		x := p.x.at(t.at)
		p.line("axis", x, y, x, y+4)
		if half := widthOf(t.name)/2 + 3; x+half < last {
			p.text("tick", "middle", x, y+17, t.name)
			last = x - half
		}
	}
	p.text("axis-title", "end", p.x.to+6, y+32, title)
}

// lines draws the series, their intervals, and names at their ends.
func (p *plot) lines() {
	for _, s := range p.series {
		var points []point
		for i, x := range s.xs {
			at := point{p.x.at(x), p.y.at(s.ys[i].Median)}
			points = append(points, at)
			if s.ys[i].High > s.ys[i].Low {
				p.line("whisker "+s.class, at.x, p.y.at(s.ys[i].Low), at.x, p.y.at(s.ys[i].High))
			}
		}
		p.curve("stroke "+s.class, points)
		for _, at := range points {
			p.dot("fill "+s.class, at.x, at.y, 2.6)
		}
	}
	p.names()
}

// names stand where their lines end, moved apart where those meet.
func (p *plot) names() {
	var ends, labels []float64
	for _, s := range p.series {
		y := p.y.at(s.ys[len(s.ys)-1].Median)
		ends, labels = append(ends, y), append(labels, y)
	}
	apart(labels, lineHeight, plotTop+4, p.y.from)
	for i, s := range p.series {
		end := p.x.at(s.xs[len(s.xs)-1])
		p.line("leader", end+4, ends[i], p.x.to+10, labels[i])
		p.text("name text-"+s.class, "start", p.x.to+12, labels[i]+4, clip(s.name, chartWidth-p.x.to-12))
	}
}

// lineChart is one metric along the axis of a panel, a line for each engine,
// and the floor beneath them.
func (s *section) lineChart(p *panel, m *Metric, span []float64, colour colours) drawing {
	var all []series
	for i, engine := range s.engines {
		line := series{name: engineName(engine), class: colour[engine]}
		for _, g := range p.groups {
			if c := g.row(m.Name)[i]; c.Known() {
				line.xs, line.ys = append(line.xs, p.x(g)), append(line.ys, c.Spread)
			}
		}
		if len(line.xs) > 0 {
			all = append(all, line)
		}
	}
	chart := newPlot(m.Name+" along "+p.along, all, span, wideMetric)
	chart.verticalAxis()
	var ticks []tick
	var floor []point
	for _, g := range p.groups {
		ticks = append(ticks, tick{p.x(g), tickName(g.value(p.along))})
		if f := g.floor(m.Name); f.N > 0 {
			floor = append(floor, point{chart.x.at(p.x(g)), chart.y.at(f.Median)})
		}
	}
	chart.horizontalAxis(p.along, ticks)
	chart.curve("floor-line", floor)
	if len(floor) > 1 {
		chart.text("floor-name", "start", floor[0].x, min(floor[0].y+15, chart.y.from-4), "floor")
	}
	chart.lines()
	return chart.drawing
}

// tickName is short for a number, and a duration as it was given.
func tickName(value string) string {
	if v, ok := (Setting{Value: value}).Number(); ok && short(v) != "" && value[len(value)-1] <= '9' {
		return short(v)
	}
	return value
}

func center(m *Metric) float64 {
	if m == nil {
		return 0
	}
	return measure.Center(m.Samples).Median
}
