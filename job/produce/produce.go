// Package produce writes to Kafka what jobs have to write: entries of the ledger
// of drops, and pushes that follow a key to another comet. It implements
// job.Ledger and job.Writer.
//
// # Nothing is given up
//
// A record is tried until it is stored, for as long as the process lives: what
// waits for it is not committed, and its successor would have to write it anyway.
// So the producer has no deadline, and one producer id serves all partitions
// (compare package logic/publish, whose callers want an answer). A record that a
// broker refuses for good, such as one without permission, is an error, which the
// job tells and tries again.
package produce

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// Config of Open. The zero value of a field means its default.
type Config struct {
	// Brokers to reach. Required.
	Brokers kafka.Brokers
	// Topic of the pushes. Zero means "oort-push".
	Topic string
	// Ledger is the topic of the drops; it is made if it is absent. Zero means
	// that there is none, and Enter must not be called.
	Ledger string
	// Partitions of the ledger if it has to be made. Drops are few. Zero means 2.
	Partitions int32
	// Retention of the ledger if it has to be made. Zero means seven days, so that
	// a complaint of last week can be answered.
	Retention time.Duration
	// Timeout of Open. Zero means 5 s.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = "oort-push"
	}
	if c.Partitions == 0 {
		c.Partitions = 2
	}
	if c.Retention == 0 {
		c.Retention = 7 * 24 * time.Hour
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// Kafka is a job.Ledger and a job.Writer.
type Kafka struct {
	cfg    Config       // immutable after Open
	client *kgo.Client  // immutable after Open
	admin  *kadm.Client // immutable after Open

	mu         sync.Mutex
	partitions map[string]int // guarded by mu; by topic, as far as known
}

var (
	_ job.Ledger = (*Kafka)(nil)
	_ job.Writer = (*Kafka)(nil)
)

// maxBatch holds a push of a megabyte, the largest that logic stores, and what the
// headers of batch and record add.
const maxBatch = 1_000_000 + 8192

// Open makes the ledger's topic if it is absent. It fails if that cannot be done
// before ctx, or Config.Timeout, is over.
func Open(ctx context.Context, cfg Config) (*Kafka, error) {
	cfg = cfg.withDefaults()
	client, err := cfg.Brokers.Client("job",
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), // commits wait; the job gathers batches by itself
		kgo.ProducerBatchMaxBytes(maxBatch),
	)
	if err != nil {
		return nil, fmt.Errorf("produce: %w", err)
	}
	k := &Kafka{cfg: cfg, client: client, admin: kadm.NewClient(client), partitions: make(map[string]int)}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if err := k.makeLedger(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return k, nil
}

// makeLedger makes the ledger's topic, or finds it.
func (k *Kafka) makeLedger(ctx context.Context) error {
	if k.cfg.Ledger == "" {
		return nil
	}
	replicas := k.replicas(ctx)
	config, retention := kafka.Durability(replicas), strconv.FormatInt(k.cfg.Retention.Milliseconds(), 10)
	config["retention.ms"] = &retention
	_, err := k.admin.CreateTopic(ctx, k.cfg.Partitions, replicas, config, k.cfg.Ledger)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	// Who may not create may still write.
	if _, found := k.count(ctx, k.cfg.Ledger); found == nil {
		return nil
	}
	return fmt.Errorf("produce: ledger %q at %q: %w", k.cfg.Ledger, k.cfg.Brokers.Seeds, err)
}

// replicas is how many the topic of the pushes has, since what is said of pushes
// is to be as durable as they; -1, the brokers' default, if it is not there yet.
func (k *Kafka) replicas(ctx context.Context) int16 {
	found, err := k.admin.ListTopics(ctx, k.cfg.Topic)
	if err != nil {
		return -1
	}
	for _, p := range found[k.cfg.Topic].Partitions {
		return int16(len(p.Replicas))
	}
	return -1
}

// Enter implements job.Ledger.
func (k *Kafka) Enter(ctx context.Context, entries []dropped.Entry) error {
	n, err := k.count(ctx, k.cfg.Ledger)
	if err != nil {
		k.forget(k.cfg.Ledger)
		_ = k.makeLedger(ctx) // somebody deleted it; if not, the error says enough
		return err
	}
	records := make([]*kgo.Record, len(entries))
	for i := range entries {
		e := &entries[i]
		value, err := e.Encode()
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{Topic: k.cfg.Ledger, Partition: dropped.Partition(e.ID, n), Key: []byte(e.ID), Value: value}
	}
	return k.produce(ctx, k.cfg.Ledger, records)
}

// Write implements job.Writer.
func (k *Kafka) Write(ctx context.Context, pushes []*pushpb.Push) error {
	n, err := k.count(ctx, k.cfg.Topic)
	if err != nil {
		return err
	}
	records := make([]*kgo.Record, len(pushes))
	for i, p := range pushes {
		value, err := proto.Marshal(p)
		if err != nil {
			return fmt.Errorf("produce: push %q: %w", p.GetId(), err)
		}
		key := pushpb.RecordKey(p)
		records[i] = &kgo.Record{Topic: k.cfg.Topic, Partition: pushpb.Partition(key, n), Key: []byte(key), Value: value}
	}
	return k.produce(ctx, k.cfg.Topic, records)
}

// produce returns when all records have been answered, or ctx is over: then the
// client goes on with them until it is closed, and only the waiting ends.
func (k *Kafka) produce(ctx context.Context, topic string, records []*kgo.Record) error {
	answers := make(chan error, len(records))
	for _, r := range records {
		k.client.Produce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) { answers <- err })
	}
	var first error
	for range records {
		select {
		case err := <-answers:
			if err != nil && first == nil {
				first = fmt.Errorf("produce: topic %q: %w", topic, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if first != nil {
		// Perhaps it was made anew, under another id and with another number of
		// partitions. The client would keep to the old id for ever.
		k.forget(topic)
		k.client.PurgeTopicsFromProducing(topic)
	}
	return first
}

// count is how many partitions topic has.
func (k *Kafka) count(ctx context.Context, topic string) (int, error) {
	k.mu.Lock()
	n := k.partitions[topic]
	k.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	topics, err := k.admin.ListTopics(ctx, topic)
	if err == nil && topics.Has(topic) {
		n, err = len(topics[topic].Partitions), topics[topic].Err
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("produce: topic %q: %w", topic, err)
	case n == 0:
		return 0, fmt.Errorf("produce: topic %q: %w", topic, kerr.UnknownTopicOrPartition)
	}
	k.mu.Lock()
	k.partitions[topic] = n
	k.mu.Unlock()
	return n, nil
}

func (k *Kafka) forget(topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.partitions, topic)
}

// Close gives up what is not stored. Call it when the job has ended.
func (k *Kafka) Close() { k.client.Close() }
