package publish

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// recordOverhead is more than what Kafka's batch and record headers, and the
// record key, add to an encoded push.
const recordOverhead = 4096

// producer writes to one partition.
type producer struct {
	partition int32
	client    *kgo.Client
	wire      *wire
}

func newProducer(cfg Config, partition int32) (*producer, error) {
	w := newWire(cfg)
	client, err := w.client(cfg,
		kgo.DefaultProduceTopic(cfg.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotence is the default and needs it
		// A lone push is not delayed; under load requests in flight gather the
		// next batch anyway.
		kgo.ProducerLinger(0),
		// A push is small and mostly alone: nothing to compress.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(cfg.MaxRecordBytes+recordOverhead)),
		kgo.MaxBufferedRecords(cfg.MaxRecords),
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	return &producer{partition, client, w}, nil
}

// client makes a client that dials through w.
func (w *wire) client(cfg Config, options ...kgo.Opt) (*kgo.Client, error) {
	brokers := cfg.Brokers
	brokers.Dial = w.dial
	// A backlog of seconds is of no use to somebody who waits for an answer.
	client, err := brokers.Client("logic", append(options, kgo.RetryBackoffFn(backoff))...)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return client, nil
}

// backoff between attempts grows from 20 to 250 ms: a broker that restarts is
// back in use at once, and one that is gone costs four dials a second.
func backoff(fails int) time.Duration {
	return min(20*time.Millisecond<<min(max(fails-1, 0), 4), 250*time.Millisecond)
}

// makeTopic makes the topic, or finds it, and returns how many partitions it
// has. That number does not change: growing would move rooms to other partitions
// while older pushes of theirs wait in the old ones.
func makeTopic(ctx context.Context, cfg Config) (partitions int, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	client, err := newWire(cfg).client(cfg)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(ctx, cfg.Partitions, cfg.Replication, kafka.Durability(cfg.Replication), cfg.Topic)
	if err == nil {
		return int(cfg.Partitions), nil
	}
	// It exists; or who may not create may still write.
	found, listErr := admin.ListTopics(ctx, cfg.Topic)
	if listErr == nil && found.Has(cfg.Topic) {
		return len(found[cfg.Topic].Partitions), nil
	}
	if errors.Is(err, kerr.TopicAlreadyExists) {
		err = listErr
	}
	return 0, fmt.Errorf("publish: topic %q at %q: %w", cfg.Topic, cfg.Brokers.Seeds, err)
}

// of is the producer of a record key.
func (k *Kafka) of(key string) *producer {
	return k.producers[pushpb.Partition(key, len(k.producers))]
}

// waiting counts what has been submitted and not answered.
type waiting struct {
	records, bytes atomic.Int64
}

// take reserves place for a record, if there is.
func (w *waiting) take(bytes int, cfg *Config) error {
	records, total := w.records.Add(1), w.bytes.Add(int64(bytes))
	if records > int64(cfg.MaxRecords) || total > int64(cfg.MaxBytes) {
		w.give(bytes)
		return fmt.Errorf("publish: %d records, %d bytes: %w", records-1, total-int64(bytes), logic.ErrOverloaded)
	}
	return nil
}

func (w *waiting) give(bytes int) {
	w.records.Add(-1)
	w.bytes.Add(-int64(bytes))
}
