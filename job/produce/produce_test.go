package produce_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/job/produce"
	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that should happen soon.
const patience = 30 * time.Second

const (
	pushes = "oort-push"
	ledger = "oort-push-ledger"
)

// cluster is a broker with the topic of the pushes.
func cluster(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, pushes))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(t testing.TB, c *kfake.Cluster) *produce.Kafka {
	t.Helper()
	k, err := produce.Open(t.Context(), produce.Config{Brokers: kafka.At(c.ListenAddrs()...), Ledger: ledger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func entries(ids ...string) (list []dropped.Entry) {
	for _, id := range ids {
		list = append(list, dropped.Entry{ID: id, Kind: "room", Room: "r://1", Lane: "chat", Reason: "slow", At: time.Now()})
	}
	return list
}

// read lists the ids that the ledger has, sorted.
func read(t testing.TB, c *kfake.Cluster, cfg produce.ReadConfig) (ids []string) {
	t.Helper()
	cfg.Brokers, cfg.Ledger = kafka.At(c.ListenAddrs()...), ledger
	if err := produce.Read(within(t), cfg, func(e dropped.Entry) { ids = append(ids, e.ID) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

// TestLedger: what is entered is read, by id and by time; a second job finds the
// ledger that the first has made.
func TestLedger(t *testing.T) {
	c := cluster(t)
	one, two := open(t, c), open(t, c)
	if got := read(t, c, produce.ReadConfig{}); len(got) != 0 {
		t.Errorf("an empty ledger has %q", got)
	}
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("m%02d", i))
	}
	if err := one.Enter(within(t), entries(ids...)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond) // the ledger's times are milliseconds
	later := time.Now()
	if err := two.Enter(within(t), entries("late", "m07")); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(ids), "late", "m07")
	slices.Sort(want)
	if got := read(t, c, produce.ReadConfig{}); !slices.Equal(got, want) {
		t.Errorf("%d entries: %q", len(got), got)
	}
	if got := read(t, c, produce.ReadConfig{After: later}); !slices.Equal(got, []string{"late", "m07"}) {
		t.Errorf("since then: %q", got)
	}
	got := read(t, c, produce.ReadConfig{ID: "m07"})
	n := 0
	for _, id := range got {
		if id == "m07" {
			n++
		}
	}
	if n != 2 || len(got) == 102 {
		t.Errorf("%d of two entries about m07 in the %d of its partition", n, len(got))
	}
}

// TestUnreadable: an entry that makes no sense hides no other, and is told.
func TestUnreadable(t *testing.T) {
	c := cluster(t)
	k := open(t, c)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(within(t), &kgo.Record{Topic: ledger, Value: []byte("{")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := k.Enter(within(t), entries("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = produce.Read(within(t), produce.ReadConfig{Brokers: kafka.At(c.ListenAddrs()...), Ledger: ledger}, func(dropped.Entry) { n++ })
	if err == nil || n != 3 {
		t.Errorf("%d entries and %v", n, err)
	}
}

// TestWrite: pushes go where logic would put them, in order.
func TestWrite(t *testing.T) {
	c := cluster(t)
	k := open(t, c)
	var list []*pushpb.Push
	want := map[int32][]string{}
	for i := range 60 {
		p := &pushpb.Push{Id: fmt.Sprint(i), Kind: pushpb.Kind_KIND_KEYS, Server: fmt.Sprintf("c%d@1", i%7), Keys: []string{"k"}, Moved: true}
		list = append(list, p)
		at := pushpb.Partition(p.Server, 4)
		want[at] = append(want[at], p.Id)
	}
	if err := k.Write(within(t), list); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(pushes), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got := map[int32][]string{}
	for n := 0; n < len(list); {
		fetches := client.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := new(pushpb.Push)
			if err := proto.Unmarshal(r.Value, p); err != nil || string(r.Key) != p.Server {
				t.Errorf("record %q: %v", r.Key, err)
			}
			got[r.Partition] = append(got[r.Partition], p.Id)
			n++
		})
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPatience: errors that pass are waited out.
func TestPatience(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress} {
		t.Run(code.Message, func(t *testing.T) {
			c := cluster(t)
			k := open(t, c)
			var faults atomic.Int32
			c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if faults.Add(1) > 3 {
					return nil, nil, false
				}
				return refuse(req.(*kmsg.ProduceRequest), code.Code), nil, true
			})
			if err := k.Enter(within(t), entries("a", "b")); err != nil {
				t.Fatal(err)
			}
			if got := read(t, c, produce.ReadConfig{}); !slices.Equal(slices.Compact(got), []string{"a", "b"}) || faults.Load() < 4 {
				t.Errorf("the ledger has %q after %d requests", got, faults.Load())
			}
		})
	}
}

// TestRefused: what the broker refuses for good is an error, and works again
// once it is permitted.
func TestRefused(t *testing.T) {
	c := cluster(t)
	k := open(t, c)
	var permitted atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if permitted.Load() {
			return nil, nil, false
		}
		return refuse(req.(*kmsg.ProduceRequest), kerr.TopicAuthorizationFailed.Code), nil, true
	})
	if err := k.Enter(within(t), entries("a")); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("refused: %v", err)
	}
	permitted.Store(true)
	if err := k.Enter(within(t), entries("a")); err != nil {
		t.Error(err)
	}
	if got := read(t, c, produce.ReadConfig{}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the ledger has %q", got)
	}
}

// refuse answers a produce request with code for each partition.
func refuse(req *kmsg.ProduceRequest, code int16) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// TestAway: without a broker Enter waits until its context is over, and no longer;
// Close does not wait either.
func TestAway(t *testing.T) {
	c := cluster(t)
	addrs := c.ListenAddrs()
	k := open(t, c)
	if err := k.Enter(within(t), entries("a")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := k.Enter(ctx, entries("b")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a broker: %v", err)
	}
	closed := make(chan struct{})
	go func() { k.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("Close hangs")
	}
	if _, err := produce.Open(t.Context(), produce.Config{Brokers: kafka.At(addrs...), Ledger: ledger, Timeout: 200 * time.Millisecond}); err == nil {
		t.Error("opened without a broker")
	}
}

// TestLedgerIsDeleted: somebody deletes the topic; it is made anew.
func TestLedgerIsDeleted(t *testing.T) {
	c := cluster(t)
	k := open(t, c)
	if err := k.Enter(within(t), entries("a")); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(within(t), ledger); err != nil {
		t.Fatal(err)
	}
	for ctx := within(t); ; {
		if err = k.Enter(ctx, entries("b")); err == nil || ctx.Err() != nil {
			break
		}
	}
	if got := read(t, c, produce.ReadConfig{}); err != nil || !slices.Contains(got, "b") {
		t.Errorf("%v; the ledger has %q", err, got)
	}
}

// TestReadDeleted: a reader does not wait for entries that retention took away
// after it had asked how far the ledger goes.
func TestReadDeleted(t *testing.T) {
	c := cluster(t)
	if err := open(t, c).Enter(within(t), entries("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	fetching, deleted := make(chan struct{}), make(chan struct{})
	asked := sync.OnceFunc(func() { close(fetching) })
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.SleepControl(func() {
			asked()
			<-deleted
		})
		return nil, nil, false
	})
	ended := make(chan error)
	go func() {
		ended <- produce.Read(within(t), produce.ReadConfig{Brokers: kafka.At(c.ListenAddrs()...), Ledger: ledger}, func(dropped.Entry) {})
	}()
	<-fetching
	deleteAll(t, c)
	close(deleted)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func deleteAll(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(within(t), ledger)
	if err != nil {
		t.Fatal(err)
	}
	if answers, err := admin.DeleteRecords(within(t), ends.Offsets()); err != nil || answers.Error() != nil {
		t.Fatal(err, answers.Error())
	}
}

// TestAsDurableAsPushes: the ledger is kept as often as the pushes are.
func TestAsDurableAsPushes(t *testing.T) {
	for replicas, want := range map[int16]string{1: "", 3: "2"} {
		c, err := kfake.NewCluster(kfake.NumBrokers(3))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		admin := kadm.NewClient(client)
		if _, err := admin.CreateTopic(within(t), 1, replicas, nil, pushes); err != nil {
			t.Fatal(err)
		}
		open(t, c)
		found, err := admin.ListTopics(within(t), ledger)
		if err != nil || len(found[ledger].Partitions[0].Replicas) != int(replicas) {
			t.Errorf("%d replicas of pushes: %v, %+v", replicas, err, found[ledger])
		}
		configs, err := admin.DescribeTopicConfigs(within(t), ledger)
		if err != nil {
			t.Fatal(err)
		}
		insync := ""
		for _, kv := range configs[0].Configs {
			if kv.Key == "min.insync.replicas" && kv.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				insync = kv.MaybeValue()
			}
		}
		if insync != want {
			t.Errorf("%d replicas of pushes: min.insync.replicas is %q, want %q", replicas, insync, want)
		}
	}
}
