package report

import (
	"slices"

	"github.com/oortim/oort/bench/measure"
)

// panel is the groups of a section that one chart shows: along a setting that
// is a number and varies, or one group alone.
type panel struct {
	title  string // what distinguishes it from the section's other panels
	along  string // the setting on the horizontal axis, "" for one group
	groups []*group
}

// panels divides the groups of s. The axis is the numeric setting with the
// most values; what else varies makes one panel each.
func (s *section) panels() (all []*panel) {
	axis := s.axis()
	for _, g := range s.groups {
		title := pointTitle(s.distinct(g, axis))
		i := slices.IndexFunc(all, func(p *panel) bool { return p.title == title })
		if i < 0 {
			i = len(all)
			all = append(all, &panel{title: title, along: axis})
		}
		all[i].groups = append(all[i].groups, g)
	}
	for _, p := range all {
		p.order()
	}
	return all
}

// order the groups along the axis; a panel of one group has no axis.
func (p *panel) order() {
	if len(p.groups) == 1 {
		p.along = ""
		return
	}
	slices.SortStableFunc(p.groups, func(a, b *group) int {
		x, y := p.x(a), p.x(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// x is where g lies on the axis.
func (p *panel) x(g *group) float64 {
	v, _ := Setting{Value: g.value(p.along)}.Number()
	return v
}

// value of a setting of g's point, "" if it has none of that name.
func (g *group) value(name string) string {
	for _, s := range g.point {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

// axis is the setting that all groups have as a number and in which they
// differ most; "" if there is none.
func (s *section) axis() (axis string) {
	most := 1
	if len(s.groups) == 0 {
		return ""
	}
	for _, candidate := range s.groups[0].point {
		values := map[string]bool{}
		numeric := true
		for _, g := range s.groups {
			value := Setting{Value: g.value(candidate.Name)}
			_, ok := value.Number()
			numeric = numeric && ok
			values[value.Value] = true
		}
		if numeric && len(values) > most {
			axis, most = candidate.Name, len(values)
		}
	}
	return axis
}

// distinct are the settings of g, without the axis, in which the groups of s
// differ.
func (s *section) distinct(g *group, axis string) (point []Setting) {
	for _, setting := range g.point {
		differs := slices.ContainsFunc(s.groups, func(o *group) bool { return o.value(setting.Name) != setting.Value })
		if setting.Name != axis && differs {
			point = append(point, setting)
		}
	}
	return point
}

// fixed are the settings that all groups of s have in common.
func (s *section) fixed() (point []Setting) {
	if len(s.groups) == 0 {
		return nil
	}
	first := s.groups[0]
	varying := s.distinct(first, "")
	for _, setting := range first.point {
		if !slices.Contains(varying, setting) {
			point = append(point, setting)
		}
	}
	return point
}

// floor of the metric name in g: over all samples of all cases, since the bare
// calls are the same whatever engine's sockets they were made on.
func (g *group) floor(name string) measure.Spread {
	var all []float64
	for _, c := range g.cases {
		if c == nil || c.Metric(name) == nil {
			continue
		}
		if f := c.Metric(c.Metric(name).Floor); f != nil {
			all = append(all, f.Samples...)
		}
	}
	return measure.Center(all)
}
