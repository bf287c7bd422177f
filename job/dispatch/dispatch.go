// Package dispatch carries records to comets, one dispatcher a comet, over the
// Push stream of cometpb. A dispatcher is a job.Outlet.
//
// # Lanes
//
// Records of one partition wait in a lane. A lane has at most one batch in
// flight; the lanes of a comet share its stream, and their batches are in
// flight side by side. A batch is repeated over new streams until the comet
// answers it, or it is given up as a whole. So the comet sees each partition as
// one sequence with repetitions of its last batch, which its mark removes.
//
// # Rooms
//
// A comet tells which rooms it has, and a record of a room goes to the comets
// that have it (type rooms says how that is known in time). A comet is treated
// as having every room while there is no stream to it, until it has told all its
// rooms, and while it owes an echo for longer than MaxEcho.
//
// # States
//
//	           Locate                stream, Hello, Welcome
//	unlocated ────────▶ connecting ─────────────────────────▶ attached
//	    ▲                 │  ▲                                   │
//	    │ Missing         │  └──────── stream broken, backoff ───┤
//	    └─────────────────┤                                      │
//	                      ▼ FAILED_PRECONDITION                  ▼
//	                   refused ◀─────────────────────────────────┘
//
// While unlocated or connecting, records wait. Refused means that another
// incarnation answers at the address: what is and what will be offered is
// dropped as closed.
//
// # Bounds
//
// Above MaxBytes, and after MaxHold, the oldest records that are not in flight
// are dropped as slow. A batch in flight that is not answered within MaxHold is
// given up, its records are counted unknown, and the stream is cut, for a comet
// that answers nothing for so long is not known to live.
package dispatch

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/oortim/oort/job"
)

// Config of the dispatchers of one job. The zero value of a field means its
// default.
type Config struct {
	// Job is the name of this job, for the comets' logs and metrics.
	Job string
	// Dial opens a channel to a comet; it is closed when the stream has ended.
	// It should not wait for the connection. Required.
	Dial func(server, addr string) (grpc.ClientConnInterface, io.Closer, error)
	// MaxBytes of encoded pushes that wait for one comet, those in flight
	// included. Zero means 64 MiB.
	MaxBytes int
	// MaxHold is how long a record waits for one comet, and how long a batch in
	// flight waits for its answer. Zero means 30 s.
	MaxHold time.Duration
	// MaxEcho is how long a record of a room waits until the comet has said
	// whether it has the room, kept within a second more; then it is sent. It
	// delays no other comet. Zero means 1 s.
	MaxEcho time.Duration
	// BatchBytes and BatchRecords bound one batch; a record alone may be as large
	// as the comet allows. Small batches are answered sooner, large ones cost
	// less. Zero means 256 KiB and 512.
	BatchBytes   int
	BatchRecords int
	// HelloTimeout is how long a comet may take to welcome a stream. Zero means
	// 5 s.
	HelloTimeout time.Duration
	// Log. Zero means slog.Default().
	Log *slog.Logger
	// Metrics registers oort_job_*. Zero means none.
	Metrics prometheus.Registerer
	// Tracer opens a span for each delivery of a push in a sampled trace. Zero
	// means none.
	Tracer trace.Tracer
	// Now is the clock by which records expire and are held. Zero means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxHold == 0 {
		c.MaxHold = 30 * time.Second
	}
	if c.MaxEcho == 0 {
		c.MaxEcho = time.Second
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 256 << 10
	}
	if c.BatchRecords == 0 {
		c.BatchRecords = 512
	}
	if c.HelloTimeout == 0 {
		c.HelloTimeout = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Dispatchers opens the dispatcher of each comet.
type Dispatchers struct {
	cfg     Config
	metrics *metrics
}

// New checks cfg; Open then serves as job.Config.Open.
func New(cfg Config) (*Dispatchers, error) {
	if cfg.Dial == nil {
		return nil, errors.New("dispatch: no way to dial comets given")
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("dispatch: metrics: %w", err)
	}
	return &Dispatchers{cfg: cfg.withDefaults(), metrics: m}, nil
}

// Open returns the dispatcher of one comet. It connects when it is located.
func (d *Dispatchers) Open(cfg job.OutletConfig) job.Outlet {
	o := newOutlet(d.cfg, d.metrics, cfg)
	o.start()
	return o
}
