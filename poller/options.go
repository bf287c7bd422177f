package poller

import (
	"errors"
	"fmt"
	"runtime"
)

// Defaults of Options.
const (
	DefaultMaxRest     = 64 << 10
	DefaultQueue       = 65_536
	DefaultBacklog     = 4096
	DefaultAcceptBatch = 64
)

// ErrNoHandler is returned when an engine is opened without
// Options.NewHandler, or when that returns nil.
var ErrNoHandler = errors.New("poller: no handler")

// WithDefaults returns o with each zero field replaced by its default, or an
// error that names the first field which makes no sense. Engines call it when
// they open.
func (o Options) WithDefaults() (Options, error) {
	if o.NewHandler == nil {
		return o, ErrNoHandler
	}
	for _, f := range []struct {
		name  string
		value *int
		zero  int
		most  int
	}{
		{"Loops", &o.Loops, runtime.NumCPU(), 4096},
		{"MaxRest", &o.MaxRest, DefaultMaxRest, 1 << 30},
		{"Queue", &o.Queue, DefaultQueue, 1 << 30},
		{"Backlog", &o.Backlog, DefaultBacklog, 1 << 30},
		{"AcceptBatch", &o.AcceptBatch, DefaultAcceptBatch, 1 << 30},
	} {
		if *f.value == 0 {
			*f.value = f.zero
		}
		if *f.value < 0 || *f.value > f.most {
			return o, fmt.Errorf("poller: option %s is %d, not within 0 to %d", f.name, *f.value, f.most)
		}
	}
	return o, nil
}
