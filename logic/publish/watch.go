package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/pushpb"
)

// lookEvery is how often the watch looks, and lookFor how long one look may
// take. What it saw counts for staleAfter: then it says nothing, since without
// Kafka nobody knows how far the jobs are.
const (
	lookEvery  = time.Second
	lookFor    = 5 * time.Second
	staleAfter = 10 * time.Second
)

// watch sees how far the jobs are behind, so that a push is refused while it
// would wait too long for a job: a pipeline that is full must be felt by the
// pushers, not only by those who wait at its end.
type watch struct {
	topic, group string
	most         time.Duration
	admin        *kadm.Client
	close        func()
	states       []state // by partition
	stop         context.CancelFunc
	ended        chan struct{}

	id       kadm.TopicID // owned by run
	horizons []horizon    // owned by run; by partition
}

// state is what the last look saw of a partition.
type state struct {
	records atomic.Int64
	age     atomic.Int64 // ns
	seen    atomic.Int64 // Unix ns; 0: never
}

// openWatch starts to watch partitions partitions. most below zero: it only
// tells.
func openWatch(cfg Config, partitions int) (*watch, error) {
	client, err := newWire(cfg).client(cfg)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{
		topic: cfg.Topic, group: cfg.Group, most: cfg.MaxLag,
		admin: kadm.NewClient(client), close: client.Close,
		states: make([]state, partitions), horizons: make([]horizon, partitions),
		stop: stop, ended: make(chan struct{}),
	}
	go w.run(ctx)
	return w, nil
}

func (w *watch) run(ctx context.Context) {
	defer close(w.ended)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks the brokers once. An error leaves what was seen before, which is
// soon too old to count; that the brokers do not answer is told by Ready.
func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	topics, err := w.admin.ListTopics(ctx, w.topic)
	if err != nil || !topics.Has(w.topic) {
		return
	}
	if id := topics[w.topic].ID; id != w.id {
		w.id = id
		clear(w.horizons)
	}
	// In this order: an end that is asked for last is never below what is done.
	done, err := w.admin.FetchOffsets(ctx, pushpb.Group(w.group, w.id))
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // no job has ever been there
		return
	}
	starts, err := w.admin.ListStartOffsets(ctx, w.topic)
	if err != nil {
		return
	}
	ends, err := w.admin.ListEndOffsets(ctx, w.topic)
	if err != nil {
		return
	}
	now := time.Now()
	for p := range w.horizons {
		start, ok1 := starts.Lookup(w.topic, int32(p))
		end, ok2 := ends.Lookup(w.topic, int32(p))
		if !ok1 || !ok2 || start.Err != nil || end.Err != nil {
			continue
		}
		from := start.Offset
		if o, ok := done.Lookup(w.topic, int32(p)); ok && o.Err == nil {
			from = max(from, o.At)
		}
		w.horizons[p].see(now, from, end.Offset)
		w.states[p].note(now, &w.horizons[p])
	}
}

func (s *state) note(now time.Time, h *horizon) {
	s.records.Store(h.records())
	s.age.Store(int64(h.age(now)))
	s.seen.Store(now.UnixNano())
}

// refuses returns logic.ErrOverloaded if jobs are too far behind in the
// partition for p. Kicks and cancels are never refused: they make work less.
func (w *watch) refuses(partition int32, p *pushpb.Push) error {
	if w.most < 0 || p.GetKind() == pushpb.Kind_KIND_KICK || p.GetKind() == pushpb.Kind_KIND_CANCEL {
		return nil
	}
	s := &w.states[partition]
	age := time.Duration(s.age.Load())
	if age <= w.most || time.Since(time.Unix(0, s.seen.Load())) > staleAfter {
		return nil
	}
	return fmt.Errorf("publish: jobs are %v behind in partition %d: %w", age.Round(time.Second), partition, logic.ErrOverloaded)
}

// Close ends the watch and waits for it.
func (w *watch) Close() {
	w.stop()
	<-w.ended
	w.close()
}

var (
	lagRecords = prometheus.NewDesc("oort_logic_lag_records",
		"Pushes that jobs have not finished, as of the last look at Kafka.", []string{"partition"}, nil)
	lagSeconds = prometheus.NewDesc("oort_logic_lag_seconds",
		"How long the oldest of them has waited, to about a second.", []string{"partition"}, nil)
)

// Describe implements prometheus.Collector.
func (w *watch) Describe(to chan<- *prometheus.Desc) { to <- lagRecords; to <- lagSeconds }

// Collect implements prometheus.Collector. What is too old is left out, so that
// nobody takes the last value for the present one.
func (w *watch) Collect(to chan<- prometheus.Metric) {
	for p := range w.states {
		s := &w.states[p]
		if time.Since(time.Unix(0, s.seen.Load())) > staleAfter {
			continue
		}
		label := strconv.Itoa(p)
		to <- prometheus.MustNewConstMetric(lagRecords, prometheus.GaugeValue, float64(s.records.Load()), label)
		to <- prometheus.MustNewConstMetric(lagSeconds, prometheus.GaugeValue, time.Duration(s.age.Load()).Seconds(), label)
	}
}
