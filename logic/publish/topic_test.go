package publish

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/proto/kafka"
)

// TestTopicIsReplicated: a topic that is made has the replicas that were asked
// for, and with three of them no push is answered that only one has.
func TestTopicIsReplicated(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for topic, row := range map[string]struct {
		replication int16
		insync      string // "" means as the brokers have it
	}{"three": {3, "2"}, "two": {2, ""}, "one": {1, ""}} {
		k, err := OpenKafka(ctx, Config{Brokers: kafka.At(cluster.ListenAddrs()...), Topic: topic, Partitions: 2, Replication: row.replication})
		if err != nil {
			t.Errorf("%s: %v", topic, err)
			continue
		}
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
		found, err := admin.ListTopics(ctx, topic)
		if err != nil || len(found[topic].Partitions) != 2 || len(found[topic].Partitions[0].Replicas) != int(row.replication) {
			t.Errorf("%s: %v, %+v", topic, err, found[topic])
		}
		if got := insync(ctx, t, admin, topic); got != row.insync {
			t.Errorf("%s: min.insync.replicas is set to %q, want %q", topic, got, row.insync)
		}
	}
}

// insync is what the topic's own configuration says.
func insync(ctx context.Context, t *testing.T, admin *kadm.Client, topic string) string {
	t.Helper()
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs {
		for _, kv := range c.Configs {
			if kv.Key == "min.insync.replicas" && kv.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				return kv.MaybeValue()
			}
		}
	}
	return ""
}
