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
// most values; what else was chosen freely makes one panel each.
func (s *section) panels() (all []*panel) {
	free := s.free()
	axis := s.axis(free)
	for _, g := range s.groups {
		var point []Setting
		for _, name := range free {
			if name != axis {
				point = append(point, Setting{name, g.value(name)})
			}
		}
		title := pointTitle(point)
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

// axis is the free setting that all groups have as a number and that has the
// most values; "" if there is none.
func (s *section) axis(free []string) (axis string) {
	most := 1
	for _, name := range free {
		numeric := !slices.ContainsFunc(s.groups, func(g *group) bool {
			_, ok := Setting{Value: g.value(name)}.Number()
			return !ok
		})
		if n := len(s.values(name)); numeric && n > most {
			axis, most = name, n
		}
	}
	return axis
}

// values of a setting in the groups of s.
func (s *section) values(name string) map[string]bool {
	values := map[string]bool{}
	for _, g := range s.groups {
		values[g.value(name)] = true
	}
	return values
}

// free are the names of settings that differ between the groups of s, without
// those that follow from the others: a rate that was chosen for each number of
// members is no dimension of its own. Those with many values are tried first.
func (s *section) free() []string {
	var free []string
	for _, setting := range s.distinct(s.groups[0]) {
		free = append(free, setting.Name)
	}
	tried := slices.Clone(free)
	slices.Reverse(tried)
	slices.SortStableFunc(tried, func(a, b string) int { return len(s.values(b)) - len(s.values(a)) })
	for _, name := range tried {
		others := slices.DeleteFunc(slices.Clone(free), func(o string) bool { return o == name })
		if s.follows(name, others) {
			free = others
		}
	}
	return free
}

// follows says whether groups that agree in others agree in name.
func (s *section) follows(name string, others []string) bool {
	known := map[string]string{}
	for _, g := range s.groups {
		var key []Setting
		for _, o := range others {
			key = append(key, Setting{o, g.value(o)})
		}
		if v, ok := known[pointTitle(key)]; ok && v != g.value(name) {
			return false
		}
		known[pointTitle(key)] = g.value(name)
	}
	return true
}

// distinct are the settings of g in which the groups of s differ.
func (s *section) distinct(g *group) (point []Setting) {
	for _, setting := range g.point {
		if len(s.values(setting.Name)) > 1 {
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
	varying := s.distinct(first)
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
