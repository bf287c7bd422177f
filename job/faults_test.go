package job_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"go.uber.org/goleak"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/proto/pushpb"
)

// world is a broker, a list of comets and what was pushed.
type world struct {
	t      testing.TB
	broker *broker.Broker
	dir    *jobtest.Directory
	push   *producer
	want   map[int32][]string // ids by partition
	n      int
}

func newWorld(t testing.TB, partitions int32) *world {
	t.Helper()
	b := startBroker(t, broker.Config{})
	makeTopic(t, b.Addr(), partitions)
	return &world{
		t: t, broker: b, dir: new(jobtest.Directory),
		push: newProducer(t, b.Addr()), want: make(map[int32][]string),
	}
}

// comet starts a comet; list it with list.
func (w *world) comet(server string) (*jobtest.Comet, job.Comet) {
	w.t.Helper()
	c := jobtest.NewComet(server)
	addr, stop, err := c.Listen()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stop)
	return c, job.Comet{Server: job.ServerID(server), Addr: addr}
}

// pushes stores n room pushes, spread over the partitions.
func (w *world) pushes(n int, partitions int32) {
	w.t.Helper()
	batch := make(map[int32][]*pushpb.Push)
	for range n {
		p := int32(w.n) % partitions
		id := fmt.Sprint(w.n)
		w.n++
		batch[p] = append(batch[p], roomPush(id))
		w.want[p] = append(w.want[p], id)
	}
	for p, pushes := range batch {
		w.push.produce(p, pushes...)
	}
}

func (w *world) job(o options) *running {
	w.t.Helper()
	o.broker, o.directory = w.broker.Addr(), w.dir
	if o.dial == nil {
		o.dial = dialTCP
	}
	if o.job.Refresh == 0 {
		o.job.Refresh = 20 * time.Millisecond
	}
	return startJob(w.t, o)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// TestStreamsBreak: streams break again and again, before and after batches are
// applied. Every record is applied once, in order.
func TestStreamsBreak(t *testing.T) {
	w := newWorld(t, 3)
	c, entry := w.comet("c1@1")
	w.dir.Set(entry)
	w.job(options{dispatch: dispatch.Config{BatchRecords: 7}})
	for round := range 15 {
		c.Mute(round%3 == 1)
		w.pushes(60, 3)
		if round%3 == 2 {
			c.Cut()
		}
		if round%3 == 1 {
			eventually(t, "a batch that is applied and not answered", func() bool { return len(c.Batches()) > 0 })
			c.Mute(false)
		}
	}
	waitApplied(t, c, w.n)
	checkOrder(t, c.Applied(), w.want)
	if c.Replayed() == 0 {
		t.Error("no record was repeated: the test tests nothing")
	}
}

// TestStalledCometDelaysNoOther: one comet takes batches and answers none. The
// other gets everything meanwhile. Nothing is committed until the first has
// answered, or has been given up.
func TestStalledCometDelaysNoOther(t *testing.T) {
	w := newWorld(t, 2)
	slow, slowEntry := w.comet("slow@1")
	fast, fastEntry := w.comet("fast@1")
	w.dir.Set(slowEntry, fastEntry)
	resume := slow.Stall()
	defer resume()
	w.job(options{consume: consume.Config{Commit: 10 * time.Millisecond}})
	w.pushes(2000, 2)
	waitApplied(t, fast, w.n)
	checkOrder(t, fast.Applied(), w.want)
	if n := len(slow.Applied()); n != 0 {
		t.Fatalf("stalled comet applied %d", n)
	}
	if got := w.committed(); got != 0 {
		t.Errorf("%d records are committed; a comet has answered none", got)
	}
	resume()
	waitApplied(t, slow, w.n)
	checkOrder(t, slow.Applied(), w.want)
	eventually(t, "everything committed", func() bool { return w.committed() == int64(w.n) })
}

// TestStalledCometIsGivenUp: above its bounds it loses records, the oldest that
// are not in flight, and commits go on without it.
func TestStalledCometIsGivenUp(t *testing.T) {
	for name, d := range map[string]dispatch.Config{
		"bytes": {MaxBytes: 20_000, MaxHold: time.Second},
		"hold":  {MaxHold: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			slow, slowEntry := w.comet("slow@1")
			fast, fastEntry := w.comet("fast@1")
			w.dir.Set(slowEntry, fastEntry)
			resume := slow.Stall()
			defer resume()
			w.job(options{dispatch: d, consume: consume.Config{Commit: 10 * time.Millisecond}})
			for range 10 {
				w.pushes(100, 2)
				waitApplied(t, fast, w.n)
			}
			eventually(t, "everything committed", func() bool { return w.committed() == int64(w.n) })
			resume()
			w.pushes(1, 2)
			last := w.want[int32(w.n-1)%2]
			eventually(t, "the comet goes on", func() bool {
				for _, p := range slow.Applied() {
					if p.Push.GetId() == last[len(last)-1] {
						return true
					}
				}
				return false
			})
			checkSubsequence(t, slow.Applied(), w.want)
			checkOrder(t, fast.Applied(), w.want)
		})
	}
}

// checkSubsequence checks that nothing came twice or out of order.
func checkSubsequence(t testing.TB, got []jobtest.Place, want map[int32][]string) {
	t.Helper()
	at := make(map[int32]int)
	for _, p := range got {
		ids, i := want[p.Partition], at[p.Partition]
		for i < len(ids) && ids[i] != p.Push.GetId() {
			i++
		}
		if i == len(ids) {
			t.Fatalf("partition %d: %q came out of order", p.Partition, p.Push.GetId())
		}
		at[p.Partition] = i + 1
	}
}

// TestJobsReplaceEachOther: jobs stop in the middle of things, with answers
// outstanding and nothing committed in between. Nothing is lost, and the marks
// remove what comes twice.
func TestJobsReplaceEachOther(t *testing.T) {
	w := newWorld(t, 3)
	c, entry := w.comet("c1@1")
	w.dir.Set(entry)
	for round := range 4 {
		r := w.job(options{dispatch: dispatch.Config{BatchRecords: 11}, consume: consume.Config{Commit: time.Hour, Drain: 50 * time.Millisecond}})
		w.pushes(150, 3)
		waitApplied(t, c, w.n-100)
		c.Mute(round%2 == 0) // some of what is applied is never answered
		w.pushes(150, 3)
		r.end(t)()
		c.Mute(false)
	}
	w.job(options{})
	waitApplied(t, c, w.n)
	checkOrder(t, c.Applied(), w.want)
}

// TestRebalance: jobs join and leave while records flow; the comet sees one
// sequence a partition.
func TestRebalance(t *testing.T) {
	w := newWorld(t, 6)
	c, entry := w.comet("c1@1")
	w.dir.Set(entry)
	one := w.job(options{dispatch: dispatch.Config{Job: "one", BatchRecords: 5}, consume: consume.Config{Commit: 50 * time.Millisecond}})
	w.pushes(120, 6)
	waitApplied(t, c, w.n)
	w.job(options{dispatch: dispatch.Config{Job: "two", BatchRecords: 5}, consume: consume.Config{Commit: 50 * time.Millisecond}})
	eventually(t, "the second job's stream", func() bool { return c.Streams() == 2 })
	for range 40 {
		w.pushes(60, 6)
	}
	waitApplied(t, c, w.n)
	one.end(t)()
	for range 10 {
		w.pushes(60, 6)
	}
	waitApplied(t, c, w.n)
	checkOrder(t, c.Applied(), w.want)
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// committed is how many records the group has committed, over all partitions.
func (w *world) committed() int64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admin := kadm.NewClient(w.push.client)
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	name := consume.GroupName("oort-job", job.TopicID(topics[topic].ID))
	offsets, err := admin.FetchOffsets(ctx, name)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
	return sum
}
