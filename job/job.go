// Package job carries accepted pushes from Kafka to the comets.
//
// A Job reads the records of the partitions that it owns, in order, decides for
// each which comets it concerns, and hands it to the dispatchers of those. What
// it needs of the world are three interfaces: a Source of records (package
// job/consume: Kafka), a Directory of living comets (job/directory: logic), and
// an Outlet for each comet (job/dispatch: a gRPC stream).
//
// # The path of a record
//
//	Source ── Take ──▶ Partition ── Offer ──▶ Outlet of comet 1 ──▶ comet 1
//	   ▲                  │   │                                        │
//	   │                  │   └──── Offer ──▶ Outlet of comet 2        │
//	   └──── Finished ────┘◀───────────── Done ────────────────────────┘
//
// Nothing on that path waits on a timer. A partition never waits for one comet:
// an outlet takes everything offered and, above its bounds, gives up the oldest
// for its own comet only. It waits when no living comet has room, for then there
// is nobody whom the waiting could delay; so a backlog is read at the pace of
// the fastest comet and memory stays bounded.
//
// # What is promised
//
// A record is committed only after each comet that it was routed to has answered
// or has been given up, with a reason and a count. So a job that dies loses
// nothing: the next owner of the partition reads what was not committed, and the
// comets ignore what lies at or below their mark. Order holds for each partition
// and comet.
//
// A room or broadcast record is routed to the comets that are in the directory's
// list when the record is read; the outlets of those that do not have the room
// spare them. A list that was asked for less than Config.Fresh ago names every
// comet that matters, since comets wait longer than that before they take their
// first link. While there is no such list, records are kept for comets that the
// next one may name (type kept). So nothing is missed that was pushed after the
// answer to a join.
package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config of a Job. The zero value of a field means its default.
type Config struct {
	// Source of the records. Required.
	Source Source
	// Directory of the living comets. Required.
	Directory Directory
	// Open makes the outlet of one comet; it must not block. Required.
	Open func(OutletConfig) Outlet
	// Ledger keeps what is dropped. Zero means that drops are only counted.
	Ledger Ledger
	// Finder and Writer let pushes follow keys that have moved to another comet.
	// Zero means that such pushes are dropped; one needs the other.
	Finder Finder
	Writer Writer
	// MaxWaiting is how many drops and followers may wait to be stored; then
	// nothing more is read. Zero means 65,536.
	MaxWaiting int
	// Name of this job, for the ledger.
	Name string
	// Refresh is how often the list of comets is read; one that is empty is read
	// twenty times as often. Zero means one second.
	Refresh time.Duration
	// Fresh is how old the list of comets may be, since it was asked for, to name
	// every comet that can have a link whose join has been answered. Comets take
	// their first link when they have been registered for longer than that. Zero
	// means one and a half Refresh.
	Fresh time.Duration
	// Log. Zero means slog.Default().
	Log *slog.Logger
	// Metrics registers oort_job_*. Zero means none.
	Metrics prometheus.Registerer
	// Now is the clock by which records expire and lists grow old. Zero means
	// time.Now.
	Now func() time.Time
}

// ErrNoList: the list of comets has not been read yet.
var ErrNoList = errors.New("job: the list of comets has not been read yet")

// Job is one member of the group that carries pushes.
type Job struct {
	source  Source
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
	routes  *routes
	drops   *drops
	follow  *follow
	waiting int // immutable; Config.MaxWaiting
}

// New makes a job; Run starts it.
func New(cfg Config) (*Job, error) {
	switch {
	case cfg.Source == nil:
		return nil, errors.New("job: no source of records given")
	case cfg.Directory == nil:
		return nil, errors.New("job: no directory of comets given")
	case cfg.Open == nil:
		return nil, errors.New("job: no way to open outlets given")
	case (cfg.Finder == nil) != (cfg.Writer == nil):
		return nil, errors.New("job: one of finder and writer is given, and not the other")
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = time.Second
	}
	if cfg.Fresh == 0 {
		cfg.Fresh = cfg.Refresh * 3 / 2
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 65_536
	}
	j := &Job{source: cfg.Source, log: cfg.Log, now: cfg.Now, waiting: cfg.MaxWaiting}
	j.routes = newRoutes(cfg)
	j.drops = newDrops(cfg, j.routes.relief.tell)
	j.follow = newFollow(cfg, j.routes.relief.tell)
	m, err := newMetrics(cfg.Metrics, j)
	if err != nil {
		return nil, fmt.Errorf("job: metrics: %w", err)
	}
	j.metrics, j.follow.metrics = m, m
	return j, nil
}

// Run carries records until ctx is over or the source fails for good. At the
// end the source stops reading, waits for what is under way as long as it is
// configured to, commits and leaves. Run may be called once.
func (j *Job) Run(ctx context.Context) error {
	defer j.metrics.unregister()
	// The list outlives ctx: records under way still go where it says.
	listing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { j.routes.run(listing) })
	wg.Go(func() { j.drops.queue.run(listing) })
	wg.Go(func() { j.follow.queue.run(listing) })
	defer func() {
		stop()
		wg.Wait()
		j.routes.close()
	}()
	// Without a list every record would go to nobody, and be committed.
	if err := j.routes.wait(ctx); err != nil {
		return nil // stopped before it began
	}
	return j.source.Run(ctx, j.open)
}

// Ready returns nil if records flow: the list of comets has been read and the
// source is in contact.
func (j *Job) Ready(ctx context.Context) error {
	if !j.routes.listed() {
		return ErrNoList
	}
	return j.source.Ready(ctx)
}

// waitRoom waits while no living comet has room, or too much waits to be stored.
func (j *Job) waitRoom(ctx context.Context) error {
	for {
		told := j.routes.relief.wait()
		if j.drops.queue.size()+j.follow.queue.size() < j.waiting && j.routes.room() {
			return ctx.Err()
		}
		select {
		case <-told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (j *Job) open(topic TopicID, number int32) Partition {
	return newPartition(j, topic, number)
}
