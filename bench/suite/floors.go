package suite

import (
	"slices"

	"github.com/oortim/oort/bench/report"
)

// lendFloors gives metrics without a floor that of another engine at the same
// point, round by round: an engine may keep its sockets where no system call
// of ours finds them, and the floor is the machine's, not the engine's. A
// setting of the run says who borrowed.
func lendFloors(run *report.Run) {
	for _, c := range run.Cases {
		for _, m := range c.Metrics {
			if m.Floor != "" {
				continue
			}
			if lender := findLender(run, c, m); lender != nil {
				for _, v := range lender.Metric(report.FloorOf(m.Name)).Samples {
					c.AddFloor(m.Name, v)
				}
				run.Set("floor of "+c.Title(), "that of "+lender.Engine)
			}
		}
	}
}

// findLender is a case that has a floor for m, of as many rounds.
func findLender(run *report.Run, c *report.Case, m *report.Metric) *report.Case {
	for _, other := range run.Cases {
		if other == c || other.Scenario != c.Scenario || !slices.Equal(other.Point, c.Point) {
			continue
		}
		if floor := other.Metric(report.FloorOf(m.Name)); floor != nil && len(floor.Samples) == len(m.Samples) {
			return other
		}
	}
	return nil
}
