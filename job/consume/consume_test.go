package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that should happen soon.
const patience = 20 * time.Second

const topic = "oort-push"

// sink keeps what partitions take. A record is finished when it is let go.
type sink struct {
	mu     sync.Mutex
	taken  []string             // guarded by mu; "partition/id"
	topics map[job.TopicID]bool // guarded by mu
	hold   bool                 // guarded by mu; finish nothing
}

func (s *sink) open(id job.TopicID, number int32) job.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics == nil {
		s.topics = make(map[job.TopicID]bool)
	}
	s.topics[id] = true
	return &part{sink: s, number: number}
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

type part struct {
	sink   *sink
	number int32
	last   job.Position // guarded by sink.mu
	any    bool         // guarded by sink.mu
}

func (p *part) Take(_ context.Context, records []job.Record) error {
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	for _, r := range records {
		id := "undecodable"
		if r.Push != nil {
			id = r.Push.Id
		}
		p.sink.taken = append(p.sink.taken, fmt.Sprintf("%d/%s", p.number, id))
		if !p.sink.hold {
			p.last, p.any = r.Position, true
		}
	}
	return nil
}

func (p *part) Finished() (job.Position, bool) {
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	return p.last, p.any
}

func (p *part) Drain(context.Context) error { return nil }
func (p *part) Close()                      {}

type fixture struct {
	t      testing.TB
	addr   string
	client *kgo.Client
	admin  *kadm.Client
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	b, err := broker.Open(broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &fixture{t, b.Addr(), client, kadm.NewClient(client)}
}

func (f *fixture) makeTopic(partitions int32) {
	f.t.Helper()
	if _, err := f.admin.CreateTopic(f.t.Context(), partitions, 1, nil, topic); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) produce(partition int32, values ...[]byte) {
	f.t.Helper()
	for _, v := range values {
		r := &kgo.Record{Partition: partition, Value: v}
		if err := f.client.ProduceSync(f.t.Context(), r).FirstErr(); err != nil {
			f.t.Fatal(err)
		}
	}
}

func push(id string) []byte {
	b, err := proto.Marshal(&pushpb.Push{Id: id})
	if err != nil {
		panic(err)
	}
	return b
}

// run starts a source into s; stop ends it.
func (f *fixture) run(cfg Config, s *sink) (k *Kafka, stop func()) {
	f.t.Helper()
	cfg.Brokers = kafka.At(f.addr)
	if cfg.Session == 0 {
		cfg.Session = 2 * time.Second
	}
	k, err := Open(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, s.open) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				f.t.Errorf("source ended with %v", err)
			}
		case <-time.After(patience):
			f.t.Error("source does not end")
		}
	})
	f.t.Cleanup(stop)
	return k, stop
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func TestNoBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Config{Brokers: kafka.At("127.0.0.1:1")}); err == nil {
		t.Error("opened without a broker")
	}
	if _, err := Open(ctx, Config{}); err == nil {
		t.Error("opened without the name of a broker")
	}
}

// TestTopicComesLater: job may be started before logic, which makes the topic.
func TestTopicComesLater(t *testing.T) {
	f := newFixture(t)
	s := new(sink)
	k, _ := f.run(Config{}, s)
	if err := k.Ready(t.Context()); !errors.Is(err, ErrNotJoined) {
		t.Errorf("ready without a topic: %v", err)
	}
	f.makeTopic(2)
	f.produce(1, push("a"), []byte("\xff not a push"), push("b"))
	eventually(t, "three records", func() bool { return s.count() == 3 })
	if got := fmt.Sprint(s.taken); got != "[1/a 1/undecodable 1/b]" {
		t.Errorf("took %v", got)
	}
	if err := k.Ready(t.Context()); err != nil {
		t.Error("not ready:", err)
	}
}

// TestOffsets: what was finished is not read again, what was not is.
func TestOffsets(t *testing.T) {
	f := newFixture(t)
	f.makeTopic(1)
	f.produce(0, push("0"), push("1"))
	s := new(sink)
	_, stop := f.run(Config{Commit: time.Hour}, s)
	eventually(t, "two records", func() bool { return s.count() == 2 })
	s.mu.Lock()
	s.hold = true
	s.mu.Unlock()
	f.produce(0, push("2"), push("3"))
	eventually(t, "four records", func() bool { return s.count() == 4 })
	stop()
	s2 := new(sink)
	f.run(Config{}, s2)
	eventually(t, "the unfinished records", func() bool { return s2.count() == 2 })
	if got := fmt.Sprint(s2.taken); got != "[0/2 0/3]" {
		t.Errorf("read again: %v", got)
	}
}

// TestTopicMadeAnew: a topic under the old name is another topic. Its records are
// read from the first, though the old one's offsets lay beyond.
func TestTopicMadeAnew(t *testing.T) {
	f := newFixture(t)
	f.makeTopic(1)
	s := new(sink)
	_, stop := f.run(Config{Commit: 10 * time.Millisecond}, s)
	for i := range 5 {
		f.produce(0, push(fmt.Sprint(i)))
	}
	eventually(t, "five records", func() bool { return s.count() == 5 })
	if _, err := f.admin.DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	f.makeTopic(1)
	stop2 := f.other()
	defer stop2()
	eventually(t, "the new topic's records", func() bool { return s.count() >= 7 })
	stop()
	if got := fmt.Sprint(s.taken[5:]); got != "[0/new 0/newer]" {
		t.Errorf("of the new topic: %v", got)
	}
	if len(s.topics) != 2 {
		t.Errorf("%d topic ids seen, want 2", len(s.topics))
	}
}

// other produces to the topic made anew, by a client that has not known the old.
func (f *fixture) other() (stop func()) {
	f.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(f.addr), kgo.DefaultProduceTopic(topic))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, id := range []string{"new", "newer"} {
		if err := client.ProduceSync(f.t.Context(), &kgo.Record{Value: push(id)}).FirstErr(); err != nil {
			f.t.Fatal(err)
		}
	}
	return client.Close
}

// TestOutOfRange: records that were deleted before they could be read are counted.
func TestOutOfRange(t *testing.T) {
	f := newFixture(t)
	f.makeTopic(1)
	s := new(sink)
	_, stop := f.run(Config{}, s)
	f.produce(0, push("0"))
	eventually(t, "one record", func() bool { return s.count() == 1 })
	stop()
	for i := 1; i <= 5; i++ {
		f.produce(0, push(fmt.Sprint(i)))
	}
	var upTo kadm.Offsets
	upTo.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4})
	if _, err := f.admin.DeleteRecords(t.Context(), upTo); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	s2 := new(sink)
	f.run(Config{Metrics: reg}, s2)
	eventually(t, "what is left", func() bool { return s2.count() == 2 })
	if got := fmt.Sprint(s2.taken); got != "[0/4 0/5]" {
		t.Errorf("read %v", got)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, fam := range families {
		if fam.GetName() == "oort_job_consume_expired_records_total" {
			if got := fam.GetMetric()[0].GetCounter().GetValue(); got != 3 {
				t.Errorf("%v records counted as gone, want 3", got)
			}
		}
	}
}
