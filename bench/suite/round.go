package suite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/bench/report"
)

// Round is one measurement of one engine at one point, as its scenario sees
// it. It belongs to the goroutine that runs the scenario.
type Round struct {
	// Engine is the spec of the engine to measure.
	Engine string
	// Loops that the server is to have. Zero means one a CPU.
	Loops int
	// Nth is the repetition, from 1: what a round does in two orders it can do in
	// turns.
	Nth int
	// Profile is the file for a CPU profile of the server while it is measured.
	// Empty means none.
	Profile string
	// Case takes the samples, one of each metric, and the faults.
	Case *report.Case

	phase    func(string)
	tell     func(string)
	children []*control.Child
}

// Phase says what is being done now, for whoever watches.
func (r *Round) Phase(format string, args ...any) { r.phase(fmt.Sprintf(format, args...)) }

// Tell writes a line that stays, for rounds so long that whoever watches should
// see how they go.
func (r *Round) Tell(format string, args ...any) { r.tell(fmt.Sprintf(format, args...)) }

// Start starts a process of this binary with args that serves a conductor; see
// bench/control. It ends with the round, before those that were started
// earlier; that it then ends in order is part of being correct.
func (r *Round) Start(ctx context.Context, name string, args ...string) (*control.Child, error) {
	c, err := control.Start(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, c)
	return c, nil
}

// Discard kills a process of the round, whose orderly end is not part of it.
func (r *Round) Discard(c *control.Child) {
	c.Kill()
	r.children = slices.DeleteFunc(r.children, func(one *control.Child) bool { return one == c })
}

// endTime bounds the end of each of a round's processes.
const endTime = 60 * time.Second

// end ends the round's processes, even if the run was broken off. Those that
// had to be killed or failed are faults, unless the round has failed already
// and they are not the cause but its effect.
func (r *Round) end(failed bool) {
	for i := len(r.children) - 1; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		if err := r.children[i].Close(ctx); err != nil && !failed {
			r.Case.Fault("at the end of the round: %v", err)
		}
		cancel()
	}
	r.children = nil
}
