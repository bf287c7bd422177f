package publish

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// finish does as jobs would that had delivered everything: it commits the ends
// of all partitions in their group.
func finish(t testing.TB, addr, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.CommitAllOffsets(ctx, pushpb.Group("oort-job", topics[topic].ID), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
}

// until pushes p until its answer is as wanted.
func until(t testing.TB, k *Kafka, p *pushpb.Push, want func(error) bool) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = k.Publish(t.Context(), []*pushpb.Push{p})[0]; want(err) {
			return
		}
	}
	t.Fatalf("after %v the answer is still %v", patience, err)
}

// TestJobsBehind: while no job finishes what is stored, pushes to that partition
// are refused, others and kicks are not; when jobs have caught up, all are taken.
func TestJobsBehind(t *testing.T) {
	b := startBroker(t, broker.Config{})
	reg := prometheus.NewRegistry()
	k := open(t, Config{Brokers: kafka.At(b.Addr()), Partitions: 2, MaxLag: time.Millisecond, Metrics: reg})
	behind, free := room("1", "test://1"), room("2", "test://2")
	for n := 3; k.of(pushpb.RecordKey(free)) == k.of(pushpb.RecordKey(behind)); n++ {
		free.Room = "test://" + string(rune('0'+n))
	}
	mustStore(t, k, behind)
	until(t, k, behind, func(err error) bool { return errors.Is(err, logic.ErrOverloaded) })
	mustStore(t, k, free)
	kick := &pushpb.Push{Id: "k", Kind: pushpb.Kind_KIND_KICK, Server: "c1@1"}
	for n := 1; k.of(pushpb.RecordKey(kick)) != k.of(pushpb.RecordKey(behind)); n++ {
		kick.Server = "c1@" + string(rune('1'+n))
	}
	mustStore(t, k, kick)
	if age := lagOf(t, reg); age <= 0 {
		t.Errorf("metrics tell of a lag of %v s", age)
	}
	for end := time.Now().Add(patience); ; {
		finish(t, b.Addr(), "oort-push")
		if k.Publish(t.Context(), []*pushpb.Push{behind})[0] == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("refused although jobs have caught up")
		}
	}
}

// TestLagUnknown: what was seen long ago refuses nothing.
func TestLagUnknown(t *testing.T) {
	w := &watch{most: time.Second, states: make([]state, 1)}
	w.states[0].age.Store(int64(time.Hour))
	w.states[0].seen.Store(time.Now().UnixNano())
	if err := w.refuses(0, room("1", "test://1")); !errors.Is(err, logic.ErrOverloaded) {
		t.Errorf("an hour behind: %v", err)
	}
	w.states[0].seen.Store(time.Now().Add(-2 * staleAfter).UnixNano())
	if err := w.refuses(0, room("1", "test://1")); err != nil {
		t.Errorf("not known any more: %v", err)
	}
	w.most = -1
	w.states[0].seen.Store(time.Now().UnixNano())
	if err := w.refuses(0, room("1", "test://1")); err != nil {
		t.Errorf("switched off: %v", err)
	}
}

// lagOf is the longest oort_logic_lag_seconds.
func lagOf(t testing.TB, reg *prometheus.Registry) (longest float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "oort_logic_lag_seconds" {
			for _, m := range f.GetMetric() {
				longest = max(longest, m.GetGauge().GetValue())
			}
		}
	}
	return longest
}
