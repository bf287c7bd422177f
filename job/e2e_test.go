package job_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/kafka"
	"github.com/oortim/oort/proto/pushpb"
)

// patience bounds every wait for something that should happen soon.
const patience = 30 * time.Second

const topic = "oort-push"

// dialer gives channels to comets.
type dialer func(server, addr string) (grpc.ClientConnInterface, io.Closer, error)

func dialTCP(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return conn, conn, err
}

func dialInproc(comets map[string]*jobtest.Comet) dialer {
	return func(server, _ string) (grpc.ClientConnInterface, io.Closer, error) {
		ch := new(inprocgrpc.Channel)
		cometpb.RegisterCometServer(ch, comets[server])
		return ch, nil, nil
	}
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

func makeTopic(t testing.TB, addr string, partitions int32) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// producer stores pushes in partitions of the test's choice.
type producer struct {
	t      testing.TB
	client *kgo.Client
}

func newProducer(t testing.TB, addr string) *producer {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &producer{t, client}
}

func (p *producer) produce(partition int32, pushes ...*pushpb.Push) {
	p.t.Helper()
	var records []*kgo.Record
	for _, push := range pushes {
		value, err := proto.Marshal(push)
		if err != nil {
			p.t.Fatal(err)
		}
		records = append(records, &kgo.Record{Partition: partition, Value: value})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
}

func roomPush(id string) *pushpb.Push {
	return &pushpb.Push{Id: id, Kind: pushpb.Kind_KIND_ROOM, Room: "test://1", Op: 1000, Body: []byte(id)}
}

// running is a job under test.
type running struct {
	job  *job.Job
	done chan error
	stop context.CancelFunc
	once sync.Once
}

type options struct {
	broker    string
	directory job.Directory
	dial      dialer
	dispatch  dispatch.Config
	consume   consume.Config
	job       job.Config
}

func startJob(t testing.TB, o options) *running {
	t.Helper()
	o.consume.Brokers = kafka.At(o.broker)
	if o.consume.Session == 0 {
		o.consume.Session = 2 * time.Second
	}
	source, err := consume.Open(t.Context(), o.consume)
	if err != nil {
		t.Fatal(err)
	}
	o.dispatch.Dial = o.dial
	d, err := dispatch.New(o.dispatch)
	if err != nil {
		t.Fatal(err)
	}
	o.job.Source, o.job.Directory, o.job.Open = source, o.directory, d.Open
	j, err := job.New(o.job)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{job: j, done: make(chan error, 1), stop: cancel}
	go func() { r.done <- j.Run(ctx) }()
	t.Cleanup(r.end(t))
	return r
}

// end stops the job and waits; idempotent.
func (r *running) end(t testing.TB) func() {
	return func() {
		r.stop()
		r.once.Do(func() {
			select {
			case err := <-r.done:
				if err != nil {
					t.Errorf("job ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("job does not end")
			}
		})
	}
}

// waitApplied waits until the comet has applied n records.
func waitApplied(t testing.TB, c *jobtest.Comet, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := c.Changed()
		if c.Count() >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d records applied, want %d", c.Count(), n)
		}
	}
}

// checkOrder checks that each partition's ids are what was pushed, in order,
// each once.
func checkOrder(t testing.TB, got []jobtest.Place, want map[int32][]string) {
	t.Helper()
	seen := make(map[int32][]string)
	for _, p := range got {
		seen[p.Partition] = append(seen[p.Partition], p.Push.GetId())
	}
	for partition, ids := range want {
		if fmt.Sprint(seen[partition]) != fmt.Sprint(ids) {
			t.Errorf("partition %d: got %d records, want %d; first difference at %d", partition,
				len(seen[partition]), len(ids), firstDifference(seen[partition], ids))
		}
	}
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestRecordsReachACometInOrder(t *testing.T) {
	for _, transport := range []string{"tcp", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			b := startBroker(t, broker.Config{})
			makeTopic(t, b.Addr(), 4)
			comet := jobtest.NewComet("c1@1")
			addr, stop, err := comet.Listen()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(stop)
			dial := dialer(dialTCP)
			if transport == "inproc" {
				dial = dialInproc(map[string]*jobtest.Comet{"c1@1": comet})
			}
			dir := new(jobtest.Directory)
			dir.Set(job.Comet{Server: "c1@1", Addr: addr})
			startJob(t, options{broker: b.Addr(), directory: dir, dial: dial})

			p := newProducer(t, b.Addr())
			want := make(map[int32][]string)
			for i := range 400 {
				partition := int32(i % 4)
				id := fmt.Sprint(i)
				p.produce(partition, roomPush(id))
				want[partition] = append(want[partition], id)
			}
			waitApplied(t, comet, 400)
			checkOrder(t, comet.Applied(), want)
		})
	}
}
