package publish

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that should happen soon.
const patience = 20 * time.Second

func open(t testing.TB, cfg Config) *Kafka {
	t.Helper()
	k, err := OpenKafka(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		k.Close(ctx) //nolint:errcheck // tests that care close by themselves
	})
	return k
}

func startBroker(t testing.TB, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// stored reads the whole topic: the ids of each partition, in order.
func stored(t testing.TB, addr, topic string) map[int32][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	ids := make(map[int32][]string)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := new(pushpb.Push)
			if err := proto.Unmarshal(r.Value, p); err != nil {
				t.Error(err)
			}
			ids[r.Partition] = append(ids[r.Partition], p.Id)
			left--
		})
	}
	return ids
}

func room(id, room string) *pushpb.Push {
	return &pushpb.Push{Id: id, Kind: pushpb.Kind_KIND_ROOM, Room: room, Op: 1000, Body: []byte(id)}
}

func TestPublishStores(t *testing.T) {
	b := startBroker(t, broker.Config{})
	k := open(t, Config{Brokers: kafka.At(b.Addr())})
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal("not ready:", err)
	}
	var pushes []*pushpb.Push
	for i := range 100 {
		pushes = append(pushes, room(fmt.Sprint(i), "test://1"))
	}
	for i, err := range k.Publish(t.Context(), pushes) {
		if err != nil {
			t.Errorf("push %d: %v", i, err)
		}
	}
	got := stored(t, b.Addr(), "oort-push")
	if len(got) != 1 {
		t.Fatalf("one room lies in %d partitions", len(got))
	}
	for _, ids := range got {
		for i, id := range ids {
			if id != fmt.Sprint(i) {
				t.Fatalf("place %d holds %q", i, id)
			}
		}
	}
}

func TestPublishNothing(t *testing.T) {
	b := startBroker(t, broker.Config{})
	k := open(t, Config{Brokers: kafka.At(b.Addr())})
	if got := k.Publish(t.Context(), nil); len(got) != 0 {
		t.Errorf("%d results for no pushes", len(got))
	}
}

func TestRecordKey(t *testing.T) {
	for _, c := range []struct {
		push *pushpb.Push
		want string
	}{
		{&pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "a://b", Server: "c1@1"}, "a://b"},
		{&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Server: "c1@1", Keys: []string{"k"}}, "c1@1"},
		{&pushpb.Push{Kind: pushpb.Kind_KIND_KICK, Server: "c1@1", Room: "a://b"}, "c1@1"},
		{&pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Room: "a://b", Server: "c1@1"}, "*"},
	} {
		if got := pushpb.RecordKey(c.push); got != c.want {
			t.Errorf("%v: key %q, want %q", c.push, got, c.want)
		}
	}
}

func TestBrokerDeadBefore(t *testing.T) {
	b, err := broker.Open(broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	start := time.Now()
	_, err = OpenKafka(t.Context(), Config{Brokers: kafka.At(b.Addr()), Timeout: 500 * time.Millisecond})
	if err == nil {
		t.Fatal("opened without a broker")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v to say so", took)
	}
}

// TestBrokerDiesWhileIdle: no byte of a later push reaches a broker, and the
// publisher knows it. Afterwards it goes on with the broker that comes back.
func TestBrokerDiesWhileIdle(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Open(broker.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	k := open(t, Config{Brokers: kafka.At(b.Addr()), Timeout: time.Second})
	mustStore(t, k, room("1", "test://1"))
	addr := b.Addr()
	b.Close()

	// The broker's connections end a moment after it: until then a push may be
	// written and is unknown.
	start := time.Now()
	for try := 0; ; try++ {
		err := k.Publish(t.Context(), []*pushpb.Push{room("2", "test://1")})[0]
		if errors.Is(err, logic.ErrNotStored) {
			break
		}
		if try == 3 || !errors.Is(err, ErrUnknown) {
			t.Fatalf("try %d: %v, want ErrNotStored", try, err)
		}
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("answer took %v", took)
	}
	if err := k.Ready(t.Context()); err == nil {
		t.Error("ready without a broker")
	}

	b = startBroker(t, broker.Config{DataDir: dir, Listen: addr})
	storeUntil(t, k, room("4", "test://1"))
	got := stored(t, b.Addr(), "oort-push")
	if ids := fmt.Sprint(merge(got)); ids != "[1 4]" {
		t.Errorf("stored %v, want [1 4]", ids)
	}
}

func mustStore(t testing.TB, k *Kafka, p *pushpb.Push) {
	t.Helper()
	if err := k.Publish(t.Context(), []*pushpb.Push{p})[0]; err != nil {
		t.Fatalf("push %q: %v", p.Id, err)
	}
}

// storeUntil tries again after ErrNotStored, as a pusher would.
func storeUntil(t testing.TB, k *Kafka, p *pushpb.Push) {
	t.Helper()
	for start := time.Now(); time.Since(start) < patience; {
		err := k.Publish(t.Context(), []*pushpb.Push{p})[0]
		if err == nil {
			return
		}
		if !errors.Is(err, logic.ErrNotStored) {
			t.Fatalf("push %q: %v", p.Id, err)
		}
	}
	t.Fatalf("push %q is not stored", p.Id)
}

// settled waits until no record is under way.
func settled(t testing.TB, k *Kafka) {
	t.Helper()
	for start := time.Now(); k.waiting.records.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("records are still under way")
		}
	}
}

func merge(partitions map[int32][]string) (ids []string) {
	for _, p := range partitions {
		ids = append(ids, p...)
	}
	return ids
}
