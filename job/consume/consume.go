// Package consume reads pushes from Kafka as a member of a consumer group. It
// implements job.Source.
//
// One worker a partition decodes records and hands them on, in order, as they
// come: a fetch is answered by the broker as soon as there is one record, and
// nothing lingers. Offsets are committed in the background, never beyond what
// the comets have answered. When a partition is revoked, its worker stops, the
// finished prefix is committed and the rest is discarded: the next owner reads
// it again, and the comets' marks remove what they had before.
//
// The group's name contains the topic's id. A topic that was deleted and made
// anew under the same name begins again at offset 0, and must not meet the
// offsets of its predecessor.
package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// Errors of this package.
var (
	// ErrNotJoined: the group has not given this job its place yet.
	ErrNotJoined = errors.New("consume: not a member of the group yet")
	// errTopicChanged: the topic is another one than when the session began.
	errTopicChanged = errors.New("consume: the topic was made anew")
)

// Config of Open. The zero value of a field means its default.
type Config struct {
	// Brokers to reach. Required.
	Brokers kafka.Brokers
	// Topic that holds the pushes. Zero means "oort-push".
	Topic string
	// Group is the beginning of the group's name (pushpb.Group). Zero means
	// "oort-job".
	Group string
	// Instance makes this job a static member of that name: when it comes back
	// after a crash it has its partitions at once, where others wait until the
	// session of the dead one is over. No two jobs may have the same. Zero means
	// a dynamic member.
	Instance string
	// Session is how long the group waits for a member that is silent before it
	// gives its partitions to others. Short takes over quickly, long survives
	// pauses. Zero means 10 s; brokers have limits of their own (Kafka: at least
	// 6 s).
	Session time.Duration
	// Commit is how often finished offsets are committed. It bounds what is read
	// twice after a crash, nothing else. Zero means one second.
	Commit time.Duration
	// Drain is how long a stop waits for answers to what is under way. Zero means
	// 5 s.
	Drain time.Duration
	// Log. Zero means slog.Default().
	Log *slog.Logger
	// Metrics registers oort_job_consume_*. Zero means none.
	Metrics prometheus.Registerer
	// Tracer opens a span for each record whose header names a sampled one. Zero
	// means none.
	Tracer trace.Tracer
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = "oort-push"
	}
	if c.Group == "" {
		c.Group = "oort-job"
	}
	if c.Session == 0 {
		c.Session = 10 * time.Second
	}
	if c.Commit == 0 {
		c.Commit = time.Second
	}
	if c.Drain == 0 {
		c.Drain = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Kafka is a job.Source.
type Kafka struct {
	cfg     Config   // immutable after Open
	metrics *metrics // immutable after Open

	mu     sync.Mutex
	client *kgo.Client // guarded by mu; of the session under way, or nil
}

var _ job.Source = (*Kafka)(nil)

// Open checks that a broker answers, before ctx is over; it joins nothing yet.
func Open(ctx context.Context, cfg Config) (*Kafka, error) {
	cfg = cfg.withDefaults()
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return nil, fmt.Errorf("consume: brokers %q: %w", cfg.Brokers.Seeds, err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("consume: metrics: %w", err)
	}
	return &Kafka{cfg: cfg, metrics: m}, nil
}

// client makes a client.
func (c Config) client(options ...kgo.Opt) (*kgo.Client, error) {
	client, err := c.Brokers.Client("job", options...)
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	return client, nil
}

// group options of the client of a session.
func group(cfg Config, id job.TopicID) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumeTopics(cfg.Topic),
		kgo.ConsumerGroup(pushpb.Group(cfg.Group, id)),
		kgo.DisableAutoCommit(),
		// Out of range, too, means the earliest that there is.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(cfg.Session),
		kgo.HeartbeatInterval(min(cfg.Session/5, time.Second)),
		// A record is handed on as it comes. The broker holds a fetch that finds
		// nothing; its end is only a chance to notice that we stop.
		kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.FetchMaxBytes(16 << 20),
		// Callbacks about partitions wait until a poll's records are handed over.
		kgo.BlockRebalanceOnPoll(),
	}
	if cfg.Instance != "" {
		opts = append(opts, kgo.InstanceID(cfg.Instance))
	}
	return opts
}

// Run implements job.Source. While the topic does not exist it waits for it.
func (k *Kafka) Run(ctx context.Context, open func(job.TopicID, int32) job.Partition) error {
	defer k.metrics.unregister(k.cfg.Metrics)
	for fails := 1; ctx.Err() == nil; fails++ {
		id, err := k.topicID(ctx)
		if err == nil {
			fails = 1
			err = k.session(ctx, id, open)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		k.cfg.Log.Warn("consume: not reading; trying again", "topic", k.cfg.Topic, "err", err)
		sleep(ctx, kafka.Backoff(fails))
	}
	return nil
}

// topicID asks the brokers.
func (k *Kafka) topicID(ctx context.Context) (job.TopicID, error) {
	client, err := k.cfg.client()
	if err != nil {
		return job.TopicID{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	topics, err := kadm.NewClient(client).ListTopics(ctx, k.cfg.Topic)
	if err != nil {
		return job.TopicID{}, fmt.Errorf("consume: topic %q: %w", k.cfg.Topic, err)
	}
	if err := topics[k.cfg.Topic].Err; err != nil {
		return job.TopicID{}, fmt.Errorf("consume: topic %q: %w", k.cfg.Topic, err)
	}
	if !topics.Has(k.cfg.Topic) {
		return job.TopicID{}, fmt.Errorf("consume: topic %q: %w", k.cfg.Topic, kerr.UnknownTopicOrPartition)
	}
	return job.TopicID(topics[k.cfg.Topic].ID), nil
}

// Ready implements job.Source: this job is a member of the group, and a broker
// answers.
func (k *Kafka) Ready(ctx context.Context) error {
	k.mu.Lock()
	client := k.client
	k.mu.Unlock()
	if client == nil {
		return ErrNotJoined
	}
	if _, generation := client.GroupMetadata(); generation < 0 {
		return ErrNotJoined
	}
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("consume: brokers %q: %w", k.cfg.Brokers.Seeds, err)
	}
	return nil
}

func (k *Kafka) using(client *kgo.Client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client = client
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
