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
package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/pushpb"
)

// Errors of this package.
var (
	// ErrUnknown: the push may or may not be stored. The HTTP API answers 504.
	ErrUnknown = errors.New("publish: not known whether the push is stored")
	// ErrTooLarge: the push does not fit into a record. It wraps
	// logic.ErrNotStored, but trying again is useless.
	ErrTooLarge = fmt.Errorf("publish: push is too large: %w", logic.ErrNotStored)
	// ErrClosed wraps logic.ErrNotStored: the publisher has been closed.
	ErrClosed = fmt.Errorf("publish: closed: %w", logic.ErrNotStored)
)

// Config of OpenKafka. The zero value of a field means its default.
type Config struct {
	// Brokers are the seed brokers, "host:port". Required.
	Brokers []string
	// Topic that holds the pushes. Zero means "oort-push".
	Topic string
	// Partitions and Replication of the topic if it has to be made; one that
	// exists is taken as it is. Zero means 8 partitions, and the cluster's
	// default replication. A partition is the unit of order and of parallel
	// work: one batch of it is in flight to each comet. Eight keep a cluster of
	// a few jobs busy; more cost latency nothing and throughput little, but the
	// number cannot grow later (that would reorder rooms).
	Partitions  int32
	Replication int16
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
	// TLS for the connections to the brokers. Zero means plain TCP.
	TLS *tls.Config
	// Metrics registers oort_logic_publish_*. Zero means none.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = "oort-push"
	}
	if c.Partitions == 0 {
		c.Partitions = 8
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
	cfg     Config      // immutable after OpenKafka
	client  *kgo.Client // immutable after OpenKafka
	wire    *wire       // immutable after OpenKafka
	metrics *metrics    // immutable after OpenKafka
	gate    gate        // what is under way
}

var _ logic.Publisher = (*Kafka)(nil)

// OpenKafka connects to the brokers and makes the topic if it is absent. It
// fails if no broker answers before ctx, or Config.Timeout, is over.
func OpenKafka(ctx context.Context, cfg Config) (*Kafka, error) {
	cfg = cfg.withDefaults()
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("publish: no brokers given")
	}
	w := newWire(cfg.TLS)
	client, err := kgo.NewClient(options(cfg, w)...)
	if err != nil {
		return nil, fmt.Errorf("publish: brokers %q: %w", cfg.Brokers, err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if err := makeTopic(ctx, client, cfg); err != nil {
		client.Close()
		return nil, err
	}
	k := &Kafka{cfg: cfg, client: client, wire: w}
	k.metrics, err = newMetrics(cfg.Metrics, client)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("publish: metrics: %w", err)
	}
	return k, nil
}

func options(cfg Config, w *wire) []kgo.Opt {
	return []kgo.Opt{
		kgo.ClientID("oort-logic"),
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.DefaultProduceTopic(cfg.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotence is the default and needs it
		kgo.Dialer(w.dial),
		kgo.DialTimeout(min(cfg.Timeout, 5*time.Second)),
		// A lone push is not delayed; under load requests in flight gather the
		// next batch anyway.
		kgo.ProducerLinger(0),
		// A push is small and mostly alone: nothing to compress.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(cfg.MaxRecordBytes + recordOverhead)),
		kgo.MaxBufferedRecords(cfg.MaxRecords),
		kgo.MaxBufferedBytes(cfg.MaxBytes),
		kgo.AllowIdempotentProduceCancellation(),
		// A backlog of seconds is of no use to somebody who waits for an answer.
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(250 * time.Millisecond),
	}
}

// recordOverhead is more than what Kafka's batch and record headers, and the
// record key, add to an encoded push.
const recordOverhead = 4096

// backoff between attempts grows from 20 to 250 ms: a broker that restarts is
// back in use at once, and one that is gone costs four dials a second.
func backoff(fails int) time.Duration {
	return min(20*time.Millisecond<<min(max(fails-1, 0), 4), 250*time.Millisecond)
}

// makeTopic makes the topic, or finds that it exists.
func makeTopic(ctx context.Context, client *kgo.Client, cfg Config) error {
	admin := kadm.NewClient(client)
	_, err := admin.CreateTopic(ctx, cfg.Partitions, cfg.Replication, nil, cfg.Topic)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	// Who may not create may still write.
	if found, e := admin.ListTopics(ctx, cfg.Topic); e == nil && found.Has(cfg.Topic) {
		return nil
	}
	return fmt.Errorf("publish: topic %q at %q: %w", cfg.Topic, cfg.Brokers, err)
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
	c := newCall(k, pushes, deadline)
	defer c.cancel()
	results := c.run()
	k.metrics.observe(results, time.Since(start))
	return results
}

// Ready implements logic.Publisher: it asks a broker, and looks at how much
// waits.
func (k *Kafka) Ready(ctx context.Context) error {
	if n := k.client.BufferedProduceRecords(); n >= int64(k.cfg.MaxRecords) {
		return fmt.Errorf("publish: %d records wait: %w", n, logic.ErrOverloaded)
	}
	if err := k.client.Ping(ctx); err != nil {
		return fmt.Errorf("publish: brokers %q: %w", k.cfg.Brokers, err)
	}
	return nil
}

// Close implements logic.Publisher. Calls of Publish that come later are
// refused with ErrClosed; what still waits when ctx ends is answered with
// ErrUnknown or logic.ErrNotStored.
func (k *Kafka) Close(ctx context.Context) error {
	err := k.gate.close(ctx)
	k.client.Close()
	k.metrics.unregister()
	if err != nil {
		return fmt.Errorf("publish: closed with pushes under way: %w", err)
	}
	return nil
}

func fill(n int, err error) []error {
	results := make([]error, n)
	for i := range results {
		results[i] = err
	}
	return results
}
