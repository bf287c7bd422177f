package report

import (
	"math"
	"slices"
	"strings"
)

const tooFew = "too few repetitions to tell the engines apart"

// verdict says in words which engines a metric of g speaks for:
//
//	uring is best, 0.97 × the floor; epoll follows, 23 % worse
//	epoll and std lead, with no difference beyond the noise
func (g *group) verdict(engines []string, name string) string {
	cells := g.row(name)
	known := 0
	for _, c := range cells {
		if c.Known() {
			known++
		}
	}
	leaders, sure := g.leaders(name)
	switch {
	case known < 2:
		return ""
	case !sure:
		return tooFew
	case len(leaders) == known:
		return "no difference beyond the noise"
	}
	slices.SortFunc(leaders[1:], func(a, b int) int { return a - b })
	var names []string
	for _, i := range leaders {
		names = append(names, engineName(engines[i]))
	}
	best := cells[leaders[0]]
	if len(names) > 1 {
		last := len(names) - 1
		return strings.Join(names[:last], ", ") + " and " + names[last] + " lead, with no difference beyond the noise"
	}
	s := names[0] + " is best"
	if best.Ratio.N > 0 {
		s += ", " + Times(best.Ratio.Median) + " the floor"
	}
	if next := g.second(name, leaders[0]); next >= 0 {
		s += "; " + engineName(engines[next]) + " follows"
		if factor := cells[next].Median / best.Median; factor > 0 && !math.IsInf(factor, 0) { // not across zero
			s += ", " + worse(max(factor, 1/factor))
		}
	}
	return s
}

// worse by a factor, as a person says it.
func worse(factor float64) string {
	if factor < 2 {
		return Percent(100*(factor-1)) + " worse"
	}
	return "worse by a factor of " + Number(factor)
}

// second is the place of the best case but for best, -1 if there is none.
func (g *group) second(name string, best int) int {
	second := -1
	for i, c := range g.cases {
		if i == best || c == nil || c.Metric(name) == nil || len(c.Metric(name).Samples) == 0 {
			continue
		}
		m := c.Metric(name)
		if second < 0 || beats(m.Better, m.Samples, g.cases[second].Metric(name).Samples) {
			second = i
		}
	}
	return second
}
