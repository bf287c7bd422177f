// Package publish stores pushes in Kafka; it implements logic.Publisher.
//
// # What an answer means
//
// A push is answered with nil when every replica that has to has its record,
// with logic.ErrNotStored when no byte of it can have reached a broker, and
// with ErrUnknown otherwise. The difference matters to a pusher: after
// ErrNotStored it may push again at once, after ErrUnknown only under the same
// message id.
//
// A client of Kafka does not say which of the two it is: its error is that of
// the last attempt, and an earlier one may have been stored with its reply
// lost. So this package counts, at the connections, the produce requests that
// begin to be written (see wire). If none began between a record's submission
// and its failure, no broker has seen the record. The count is of the whole
// client, hence wrong only to the safe side: under load more failures are
// unknown than need be.
//
// # Deadlines
//
// The caller's context lends its deadline and nothing else. A caller that hangs
// up must not cancel a record: franz-go then fails every record of that
// partition, also those of others. Records have a deadline of their own a
// little ahead of the caller's, so that in most cases the outcome is known when
// the caller is answered. With franz-go's default settings a record in flight
// would outlive every deadline (franz-go issues 930 and 1202), therefore
// AllowIdempotentProduceCancellation; its price, a possible second copy of a
// record that the application produces again, is the pusher's message id to pay.
//
// # Order
//
// Pushes with the same record key are stored in the order of Publish calls and,
// within a call, of the slice. A failed record takes with it those that wait
// behind it in its partition, so that nothing acknowledged overtakes anything
// acknowledged.
//
// # A producer a partition
//
// Each partition has a client, hence a producer id, of its own. When a record in
// flight is given up, franz-go raises the epoch of its producer id. Records of
// other partitions that are in flight under the same id are then sent again under
// the old epoch, which a broker that looks at epochs by producer (kfake does;
// Kafka does by partition) refuses, whereupon franz-go sends them under the new
// one: stored twice, acknowledged once. With an id a partition the records given
// up are all that are in flight, and nothing is sent again. The price is a
// connection a partition; the gain, besides, is that the count of requests that
// began to be written is a partition's too.
package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// Errors of this package.
var (
	// ErrUnknown: the push may or may not be stored. The HTTP API answers 504.
	ErrUnknown = errors.New("publish: not known whether the push is stored")
	// ErrTooLarge: the push does not fit into a record. It wraps
	// logic.ErrNotStored, but trying again is useless.
	ErrTooLarge = fmt.Errorf("publish: push is too large: %w", logic.ErrNotStored)
	errNoTime   = fmt.Errorf("publish: the deadline has passed: %w", logic.ErrNotStored)
	// ErrClosed wraps logic.ErrNotStored: the publisher has been closed.
	ErrClosed = fmt.Errorf("publish: closed: %w", logic.ErrNotStored)
)

// Config of OpenKafka. The zero value of a field means its default.
type Config struct {
	// Brokers to reach. Required.
	Brokers kafka.Brokers
	// Topic that holds the pushes. Zero means "oort-push".
	Topic string
	// Partitions and Replication of the topic if it has to be made; one that
	// exists is taken as it is. Zero means 8 partitions, and the cluster's
	// default replication. A partition is the unit of order and of parallel
	// work: one batch of it is in flight to each comet. Eight keep a cluster of
	// a few jobs busy; more cost latency nothing and throughput little, but the
	// number cannot grow later (that would reorder rooms). With three replicas or
	// more, two must have a push before it is answered.
	Partitions  int32
	Replication int16
	// Group is the beginning of the name of the jobs' consumer group. Zero means
	// "oort-job".
	Group string
	// MaxLag is how long the oldest push that no job has finished may have
	// waited. Above it pushes for its partition are answered
	// logic.ErrOverloaded. It should lie above the jobs' --max-hold, or one dead
	// comet stops the pushers. Zero means a minute, negative never.
	MaxLag time.Duration
	// Timeout is the longest that Publish takes if its context has no earlier
	// deadline. Zero means 5 s.
	Timeout time.Duration
	// MaxRecords and MaxBytes that wait for the brokers at one time; above
	// either, Publish answers logic.ErrOverloaded at once. Zero means 65,536
	// records and 64 MiB.
	MaxRecords int
	MaxBytes   int
	// MaxRecordBytes is the largest encoded push. Zero means 1,000,000, which
	// fits a broker's default message.max.bytes.
	MaxRecordBytes int
	// Metrics registers oort_logic_publish_*. Zero means none.
	Metrics prometheus.Registerer
	// Tracer opens a span for each record below a sampled one of Publish's
	// context. Zero means none.
	Tracer trace.Tracer
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = "oort-push"
	}
	if c.Partitions == 0 {
		c.Partitions = 8
	}
	if c.Group == "" {
		c.Group = "oort-job"
	}
	if c.MaxLag == 0 {
		c.MaxLag = time.Minute
	}
	if c.Replication == 0 {
		c.Replication = -1
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.MaxRecords == 0 {
		c.MaxRecords = 65_536
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxRecordBytes == 0 {
		c.MaxRecordBytes = 1_000_000
	}
	return c
}

// Kafka is a logic.Publisher. Its methods may be called from anywhere at any
// time.
type Kafka struct {
	cfg       Config      // immutable after OpenKafka
	producers []*producer // immutable after OpenKafka; by partition
	watch     *watch      // immutable after OpenKafka
	metrics   *metrics    // immutable after OpenKafka
	gate      gate        // calls under way
	waiting   waiting     // records under way
}

var _ logic.Publisher = (*Kafka)(nil)

// OpenKafka connects to the brokers and makes the topic if it is absent. It
// fails if no broker answers before ctx, or Config.Timeout, is over.
func OpenKafka(ctx context.Context, cfg Config) (*Kafka, error) {
	cfg = cfg.withDefaults()
	partitions, err := makeTopic(ctx, cfg)
	if err != nil {
		return nil, err
	}
	k := &Kafka{cfg: cfg}
	for p := range partitions {
		producer, err := newProducer(cfg, int32(p))
		if err != nil {
			k.closeProducers()
			return nil, err
		}
		k.producers = append(k.producers, producer)
	}
	k.warm(ctx)
	if k.watch, err = openWatch(cfg, partitions); err != nil {
		k.closeProducers()
		return nil, err
	}
	k.metrics, err = newMetrics(cfg.Metrics, &k.waiting, k.watch)
	if err != nil {
		k.watch.Close()
		k.closeProducers()
		return nil, fmt.Errorf("publish: metrics: %w", err)
	}
	return k, nil
}

// Publish implements logic.Publisher.
func (k *Kafka) Publish(ctx context.Context, pushes []*pushpb.Push) []error {
	start := time.Now()
	if !k.gate.enter() {
		return fill(len(pushes), ErrClosed)
	}
	defer k.gate.leave()
	deadline := start.Add(k.cfg.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if !deadline.After(start) {
		return fill(len(pushes), errNoTime)
	}
	c := newCall(ctx, k, pushes, deadline)
	defer c.cancel()
	results := c.run()
	k.metrics.observe(results, time.Since(start))
	return results
}

// Ready implements logic.Publisher: it asks a broker, and looks at how much
// waits.
func (k *Kafka) Ready(ctx context.Context) error {
	if n := k.waiting.records.Load(); n >= int64(k.cfg.MaxRecords) {
		return fmt.Errorf("publish: %d records wait: %w", n, logic.ErrOverloaded)
	}
	if err := k.producers[0].client.Ping(ctx); err != nil {
		return fmt.Errorf("publish: brokers %q: %w", k.cfg.Brokers.Seeds, err)
	}
	return nil
}

// Close implements logic.Publisher. Calls of Publish that come later are
// refused with ErrClosed; what still waits when ctx ends is answered with
// ErrUnknown or logic.ErrNotStored.
func (k *Kafka) Close(ctx context.Context) error {
	err := k.gate.close(ctx)
	k.watch.Close()
	k.closeProducers()
	k.metrics.unregister()
	if err != nil {
		return fmt.Errorf("publish: closed with pushes under way: %w", err)
	}
	return nil
}

// warm gets the producers what the first push to each partition would else wait
// for. Without it that push is merely slower, so errors are left to it.
func (k *Kafka) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range k.producers {
		wg.Go(func() { p.client.ProducerID(ctx) }) //nolint:errcheck // see above
	}
	wg.Wait()
}

func (k *Kafka) closeProducers() {
	for _, p := range k.producers {
		p.client.Close()
	}
}

func fill(n int, err error) []error {
	results := make([]error, n)
	for i := range results {
		results[i] = err
	}
	return results
}
