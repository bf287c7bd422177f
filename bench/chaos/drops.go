package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/proto/dropped"
)

const (
	// pushTopic is the topic that a fleet's parts use.
	pushTopic = "oort-push"
	// ledgerPatience bounds the reading of the jobs' ledger.
	ledgerPatience = time.Minute
)

// readDrops reads the jobs' ledger from its beginning to its end. start is when
// the run's clock was zero.
func readDrops(ctx context.Context, broker string, start time.Time) (drops []history.Drop, err error) {
	topic := dropped.Topic(pushTopic)
	ctx, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, fmt.Errorf("chaos: ledger: %w", err)
	}
	defer client.Close()
	left, err := sizes(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("chaos: ledger %q: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			entry, e := dropped.Decode(r.Value)
			if e != nil && err == nil {
				err = fmt.Errorf("chaos: ledger %q, partition %d, offset %d: %w", topic, r.Partition, r.Offset, e)
			}
			drops = append(drops, dropOf(entry, start))
		})
	}
	return drops, err
}

// sizes finds the ends of a topic's partitions that have records.
func sizes(ctx context.Context, client *kgo.Client, topic string) (map[int32]int64, error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("chaos: ledger %q: %w", topic, err)
	}
	sizes := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			sizes[end.Partition] = end.Offset
		}
	})
	return sizes, nil
}

// dropOf translates an entry.
func dropOf(e dropped.Entry, start time.Time) history.Drop {
	d := history.Drop{Message: e.ID, Keys: e.Keys, Reason: e.Reason}
	name, began, _ := strings.Cut(e.Comet, "@") // ident.NewServer: microseconds, hex
	d.Comet = name
	if us, err := strconv.ParseInt(began, 16, 64); err == nil {
		d.Since = time.UnixMicro(us).Sub(start)
	}
	return d
}
