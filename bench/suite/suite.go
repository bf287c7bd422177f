// Package suite conducts measurements: it has each scenario measured at each
// of its points on each engine, several times, and gathers what came of it in
// a report.
//
// # Order
//
// Points one after the other; at each point repetitions; in each repetition
// every engine once, beginning with another one each time. So what changes on
// the machine meanwhile (its clock, its neighbours, the time of day) falls on
// all engines alike, and two engines are compared by rounds of the same minute.
//
// # Rounds
//
// A round is one measurement of one engine at one point. Its processes, the
// server under test and the swarm of its clients, are started for it and end
// with it: no heap that another point has grown, no descriptor, no timer is
// left for the next, and the kernel holds the links of one engine at a time.
// The price is the time to dial. A round warms its own processes up before it
// measures. The rounds that the suite calls warm-up, of the first point of a
// scenario, only warm the machine and are forgotten.
package suite

import (
	"context"

	"github.com/oortim/oort/bench/report"
)

// Scenario is one kind of measurement. Package bench/scenario has them all.
type Scenario interface {
	// Name is the command below `oort bench io`.
	Name() string
	// About says in a sentence or two what is done and measured.
	About() string
	// Points are where it is measured, in the order in which they are shown.
	Points() []Point
}

// Choosy is a Scenario that is not for every engine.
type Choosy interface {
	Scenario
	// Engines are the specs to measure if the user names none.
	Engines() []string
}

// Point is one choice of all that a scenario varies. It holds no state from
// one round to the next.
type Point interface {
	// Settings tell the point: members 15000, size 64.
	Settings() []report.Setting
	// Round measures once and adds its samples and faults to r.Case. An error
	// means that it could not be measured; it becomes a fault, and the suite
	// goes on.
	Round(ctx context.Context, r *Round) error
}
