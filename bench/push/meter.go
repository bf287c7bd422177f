package push

import (
	"context"
	"time"

	"github.com/oortim/oort/bench/target"
)

// usage is what the server says of itself, as far as it does.
type usage struct {
	writes   float64 // of pushes to sockets
	writesOK bool
	cpu      time.Duration
	cpuOK    bool
}

// meter reads the server's counters at two times.
type meter struct {
	t     *target.Target
	start usage
}

// startMeter and stop ask for the counter outside of the time whose CPU is
// read, since answering costs some.
func startMeter(ctx context.Context, t *target.Target) *meter {
	m := &meter{t: t}
	m.start.writes, m.start.writesOK = m.count(ctx)
	m.start.cpu, m.start.cpuOK = t.CPU()
	return m
}

// stop is what has been used since the start.
func (m *meter) stop(ctx context.Context) (u usage) {
	u.cpu, u.cpuOK = m.t.CPU()
	u.writes, u.writesOK = m.count(ctx)
	u.cpu, u.cpuOK = u.cpu-m.start.cpu, u.cpuOK && m.start.cpuOK
	u.writes, u.writesOK = u.writes-m.start.writes, u.writesOK && m.start.writesOK
	return u
}

func (m *meter) count(ctx context.Context) (float64, bool) {
	return m.t.Counter(ctx, "oort_comet_writes_total")
}
