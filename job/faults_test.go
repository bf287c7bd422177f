package job_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"go.uber.org/goleak"

	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/job/produce"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/kafka"
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

// pace of pushes that go on while a test waits for something else.
const pace = 2 * time.Millisecond

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
	if n := slow.Count(); n != 0 {
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
			waitApplied(t, fast, w.n)
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
	start := func(name string) *running {
		return w.job(options{
			dispatch: dispatch.Config{Job: name, BatchRecords: 5},
			consume:  consume.Config{Commit: 50 * time.Millisecond},
		})
	}
	pushUntil := func(members int) {
		t.Helper()
		for start := time.Now(); w.members() != members; {
			if time.Since(start) > patience {
				t.Fatalf("%d members own partitions, want %d", w.members(), members)
			}
			w.pushes(60, 6)
			time.Sleep(pace)
		}
	}
	one := start("one")
	pushUntil(1)
	two := start("two")
	pushUntil(2)
	three := start("three")
	pushUntil(3)
	one.end(t)()
	pushUntil(2)
	three.end(t)()
	pushUntil(1)
	waitApplied(t, c, w.n)
	checkOrder(t, c.Applied(), w.want)
	two.end(t)()
	if got := w.committed(); got != int64(w.n) {
		t.Errorf("%d records committed at the end, want %d", got, w.n)
	}
}

// members is how many members of the group own partitions, when it is stable.
func (w *world) members() (n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	groups, err := kadm.NewClient(w.push.client).DescribeGroups(ctx, w.group(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range groups {
		if g.State != "Stable" {
			return 0
		}
		for _, m := range g.Members {
			if a, ok := m.Assigned.AsConsumer(); ok && len(a.Topics) > 0 && len(a.Topics[0].Partitions) > 0 {
				n++
			}
		}
	}
	return n
}

// TestBrokerRestarts: the broker goes and comes back with its data, several
// times. The job goes on by itself; nothing is lost.
func TestBrokerRestarts(t *testing.T) {
	cfg := broker.Config{DataDir: t.TempDir()}
	b := startBroker(t, cfg)
	cfg.Listen = b.Addr()
	w := &world{
		t: t, broker: b, dir: new(jobtest.Directory),
		push: newProducer(t, b.Addr()), want: make(map[int32][]string),
	}
	makeTopic(t, b.Addr(), 3)
	c, entry := w.comet("c1@1")
	w.dir.Set(entry)
	r := w.job(options{consume: consume.Config{Commit: 20 * time.Millisecond}})
	w.pushes(90, 3)
	waitApplied(t, c, w.n)
	for range 3 {
		w.pushes(90, 3) // some of it is read before the broker goes, some after
		b.Close()
		if err := r.job.Ready(t.Context()); err == nil {
			t.Error("ready without a broker")
		}
		b = startBroker(t, cfg)
		w.pushes(90, 3)
		waitApplied(t, c, w.n)
	}
	checkOrder(t, c.Applied(), w.want)
	if err := r.job.Ready(t.Context()); err != nil {
		t.Error("not ready:", err)
	}
}

// TestJobIsKilled: a job in a process of its own is killed again and again, by
// SIGKILL, while pushes go on; another is started each time.
func TestJobIsKilled(t *testing.T) {
	for name, instance := range map[string]string{"static member": "job-1", "dynamic member": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			c, entry := w.comet("c1@1")
			rounds := 4
			if instance == "" {
				rounds = 1 // it waits for a session to end
			}
			for round := range rounds {
				kill := startProcess(t, w.broker.Addr(), string(entry.Server), entry.Addr, instance)
				before := c.Count()
				// Killed with much under way: some of it read, sent, applied, answered,
				// committed, some not.
				for c.Count() < before+200*(round+1) {
					w.pushes(90, 3)
					time.Sleep(pace)
				}
				kill()
				w.pushes(90, 3)
			}
			startProcess(t, w.broker.Addr(), string(entry.Server), entry.Addr, instance)
			waitApplied(t, c, w.n)
			checkOrder(t, c.Applied(), w.want)
			t.Logf("%d records, %d of them repeated", w.n, c.Replayed())
		})
	}
}

// TestAllIsKilled: broker and job live in one process, as in `oort serve`, and
// die with it, by SIGKILL, while pushes go on. What was acknowledged arrives once
// they are back, within seconds.
func TestAllIsKilled(t *testing.T) {
	b := startBroker(t, broker.Config{}) // only for a free port
	addr := b.Addr()
	b.Close()
	dir := t.TempDir()
	w := &world{t: t, want: make(map[int32][]string)}
	c, entry := w.comet("c1@1")
	args := []string{addr, string(entry.Server), entry.Addr, "serve", dir}
	kill := startProcess(t, args...)
	eventually(t, "the broker is up", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	makeTopic(t, addr, 3)
	w.push = newProducer(t, addr)
	for round := range 3 {
		for c.Count() < w.n-50 || w.n < 400*(round+1) {
			w.pushes(30, 3)
			time.Sleep(pace)
		}
		kill()
		died := time.Now()
		kill = startProcess(t, args...)
		w.pushes(30, 3)
		waitApplied(t, c, w.n)
		t.Logf("all is there %v after the start", time.Since(died).Round(time.Millisecond))
	}
	checkOrder(t, c.Applied(), w.want)
}

// jobEnv tells this test binary to be a job: broker, server, address, instance;
// if it is to be the broker too, its data directory, or nothing; and then, if it
// is to follow keys, the server to which all have moved and its address.
const jobEnv = "OORT_TEST_JOB"

// startProcess starts a job as a process; kill it with what is returned.
func startProcess(t testing.TB, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), jobEnv+"="+strings.Join(args, "|"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill() //nolint:errcheck // it is there until Wait
		cmd.Wait()         //nolint:errcheck // killed
	})
	t.Cleanup(kill)
	return kill
}

// beJob runs a job until it is killed.
func beJob(args []string) error {
	ctx := context.Background()
	if len(args) > 4 && args[4] != "" {
		if _, err := broker.Open(broker.Config{Listen: args[0], DataDir: args[4]}); err != nil {
			return err
		}
	}
	source, err := consume.Open(ctx, consume.Config{
		Brokers: kafka.At(args[0]), Instance: args[3], Session: time.Second, Commit: 20 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	d, err := dispatch.New(dispatch.Config{Job: "killed", Dial: dialTCP, BatchRecords: 20})
	if err != nil {
		return err
	}
	dir := new(jobtest.Directory)
	dir.Set(job.Comet{Server: job.ServerID(args[1]), Addr: args[2]})
	cfg := job.Config{Source: source, Directory: dir, Open: d.Open}
	if len(args) > 5 {
		writer, err := produce.Open(ctx, produce.Config{Brokers: kafka.At(args[0]), Ledger: dropped.Topic(topic)})
		if err != nil {
			return err
		}
		cfg.Ledger, cfg.Writer, cfg.Finder = writer, writer, gone(args[5])
		dir.Set(job.Comet{Server: job.ServerID(args[1]), Addr: args[2]}, job.Comet{Server: job.ServerID(args[5]), Addr: args[6]})
	}
	j, err := job.New(cfg)
	if err != nil {
		return err
	}
	return j.Run(ctx)
}

// gone is a job.Finder that knows all keys at one comet.
type gone job.ServerID

func (g gone) Where(_ context.Context, keys []string) ([]job.ServerID, error) {
	return slices.Repeat([]job.ServerID{job.ServerID(g)}, len(keys)), nil
}

// TestFollowerIsKilled: the job is killed again and again while pushes follow
// their keys to another comet. Each arrives there, and what arrives first is in
// order; that comets take the second of two that are the same for what it is, is
// comet's test.
func TestFollowerIsKilled(t *testing.T) {
	w := newWorld(t, 3)
	a, from := w.comet("a@1")
	b, to := w.comet("b@1")
	a.Answer(func(p jobtest.Place) *cometpb.Outcome {
		return &cometpb.Outcome{Missing: p.Push.GetKeys()}
	})
	args := []string{w.broker.Addr(), string(from.Server), from.Addr, "job-1", "", string(to.Server), to.Addr}
	partition := pushpb.Partition("a@1", 3)
	var want []string
	push := func() {
		t.Helper()
		var batch []*pushpb.Push
		for range 5 {
			id := fmt.Sprint(len(want))
			want = append(want, id)
			batch = append(batch, &pushpb.Push{Id: id, Kind: pushpb.Kind_KIND_KEYS, Server: "a@1", Keys: []string{"k"}})
		}
		w.push.produce(partition, batch...)
	}
	for round := range 5 {
		kill := startProcess(t, args...)
		for b.Count() < 100*(round+1) {
			push()
			time.Sleep(pace)
		}
		kill()
		push()
	}
	startProcess(t, args...)
	first := func() (ids []string) {
		seen := map[string]bool{}
		for _, at := range b.Applied() {
			if p := at.Push; !seen[p.Id] {
				seen[p.Id] = true
				ids = append(ids, p.Id)
				if !p.Moved || p.Server != "b@1" || len(p.Keys) != 1 {
					t.Fatalf("a follower is %v", p)
				}
			}
		}
		return ids
	}
	eventually(t, "all have followed", func() bool { return len(first()) == len(want) })
	if got := first(); !slices.Equal(got, want) {
		t.Errorf("out of order: first difference at %d", firstDifference(got, want))
	}
	eventually(t, "all is committed", func() bool { return w.committed() == int64(len(want)+b.Count()) })
	t.Logf("%d pushes, %d followers", len(want), b.Count())
}

func TestMain(m *testing.M) {
	if args := os.Getenv(jobEnv); args != "" {
		fmt.Fprintln(os.Stderr, "job:", beJob(strings.Split(args, "|")))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// committed is how many records the group has committed, over all partitions.
func (w *world) committed() int64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	offsets, err := kadm.NewClient(w.push.client).FetchOffsets(ctx, w.group(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
	return sum
}

// group is the name of the jobs' group.
func (w *world) group(ctx context.Context) string {
	w.t.Helper()
	topics, err := kadm.NewClient(w.push.client).ListTopics(ctx, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return pushpb.Group("oort-job", topics[topic].ID)
}
