package suite

import (
	"context"
	"path/filepath"

	"github.com/oortim/oort/bench/report"
)

// conduct runs the rounds and gathers samples and faults in run. Only the end
// of ctx stops it early.
func conduct(ctx context.Context, run *report.Run, jobs []job, f *Flags, show *progress) error {
	show.begin(len(jobs))
	defer show.end()
	for _, j := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := run.Case(j.scenario.Name(), j.engine, j.point.Settings()...)
		r := &Round{Engine: j.engine, Loops: f.Loops, Nth: j.nth, Case: c, phase: show.phase, tell: show.tell}
		if j.warmup {
			r.Case = &report.Case{Scenario: c.Scenario, Engine: c.Engine, Point: c.Point}
		} else if f.CPUDir != "" {
			r.Profile = filepath.Join(f.CPUDir, j.file()+".pprof")
		}
		before := len(r.Case.Faults)
		show.round(j)
		measure(ctx, j.point, r)
		if j.warmup {
			c.Faults = append(c.Faults, r.Case.Faults...)
		}
		show.done(r.Case, len(r.Case.Faults)-before)
	}
	return ctx.Err()
}

func measure(ctx context.Context, p Point, r *Round) {
	err := p.Round(ctx, r)
	if err != nil && ctx.Err() == nil {
		r.Case.Fault("not measured: %v", err)
	}
	r.Phase("ending")
	r.end(err != nil)
}
