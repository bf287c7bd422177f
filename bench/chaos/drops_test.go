package chaos

import (
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/proto/dropped"
)

// What jobs wrote is read to the end, from every partition.
func TestReadDrops(t *testing.T) {
	t.Parallel()
	b, err := broker.Open(broker.Config{Listen: "127.0.0.1:0", Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	start := time.UnixMicro(1_700_000_000_000_000)
	want := map[string]history.Drop{
		"a": {Message: "a", Comet: "c1", Since: time.Second, Reason: "slow"},
		"b": {Message: "b", Keys: []string{"k"}, Comet: "c2", Since: -time.Second, Reason: "moved"},
		"c": {Message: "c", Reason: "expired"},
	}
	write(t, b.Addr(),
		dropped.Entry{ID: "a", Comet: "c1@60a24182d8240", Reason: "slow"},
		dropped.Entry{ID: "b", Comet: "c2@60a24180efdc0", Reason: "moved", Keys: []string{"k"}},
		dropped.Entry{ID: "c", Reason: "expired"})
	drops, err := readDrops(t.Context(), b.Addr(), start)
	got := map[string]history.Drop{}
	for _, d := range drops {
		got[d.Message] = d
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
}

func write(t *testing.T, addr string, entries ...dropped.Entry) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr),
		kgo.DefaultProduceTopic(dropped.Topic(pushTopic)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 4, 1, nil, dropped.Topic(pushTopic)); err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		value, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: int32(i), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
