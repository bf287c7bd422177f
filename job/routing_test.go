package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/proto/pushpb"
)

// hands is a Source whose partitions a test feeds by hand.
type hands struct {
	opened chan func(job.TopicID, int32) job.Partition
}

func (h *hands) Run(ctx context.Context, open func(job.TopicID, int32) job.Partition) error {
	h.opened <- open
	<-ctx.Done()
	return nil
}

func (h *hands) Ready(context.Context) error { return nil }

// outlet is an Outlet that keeps what it is offered until the test answers.
type outlet struct {
	server   job.ServerID
	relieved func()

	mu     sync.Mutex
	got    []job.Delivery // guarded by mu
	addr   string         // guarded by mu
	alive  bool           // guarded by mu
	full   bool           // guarded by mu
	closed bool           // guarded by mu
	seq    uint64         // guarded by mu
}

func (o *outlet) Locate(addr string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addr = addr
}

func (o *outlet) Missing(seq uint64) (alive, idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.alive, !o.alive && len(o.got) == 0
}

func (o *outlet) Offer(deliveries []job.Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = append(o.got, deliveries...)
	o.seq += uint64(len(deliveries))
}

func (o *outlet) Seq() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seq
}

func (o *outlet) Room() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.full
}

func (o *outlet) Forget(owner job.Owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = slices.DeleteFunc(o.got, func(d job.Delivery) bool { return d.Owner == owner })
}

func (o *outlet) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

func (o *outlet) fill(full bool) {
	o.mu.Lock()
	o.full = full
	o.mu.Unlock()
	if !full {
		o.relieved()
	}
}

// ids are the ids of what was offered and not answered.
func (o *outlet) ids() (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.got {
		ids = append(ids, d.Push.Id)
	}
	return ids
}

// answer tells Done of the i-th delivery that waits, and forgets it.
func (o *outlet) answer(i int, out job.Outcome) {
	o.mu.Lock()
	d := o.got[i]
	o.got = slices.Delete(o.got, i, i+1)
	o.mu.Unlock()
	d.Owner.Done(o.server, d, out)
}

// bench is a job with outlets and a source of the test's own.
type bench struct {
	t    testing.TB
	dir  *jobtest.Directory
	open func(job.TopicID, int32) job.Partition
	reg  *prometheus.Registry

	clock   atomic.Int64 // past now
	mu      sync.Mutex
	outlets map[job.ServerID]*outlet // guarded by mu
}

// tick lets time pass for the job.
func (b *bench) tick(d time.Duration) { b.clock.Add(int64(d)) }

const fresh = 2 * time.Second

const now = 1_000_000_000 * time.Microsecond

func newBench(t testing.TB, comets ...job.ServerID) *bench {
	t.Helper()
	return newBenchWith(t, func(*job.Config) {}, comets...)
}

func newBenchWith(t testing.TB, change func(*job.Config), comets ...job.ServerID) *bench {
	t.Helper()
	b := &bench{t: t, dir: new(jobtest.Directory), reg: prometheus.NewRegistry(), outlets: make(map[job.ServerID]*outlet)}
	b.list(comets...)
	source := &hands{opened: make(chan func(job.TopicID, int32) job.Partition)}
	cfg := job.Config{
		Source: source, Directory: b.dir, Refresh: 5 * time.Millisecond, Fresh: fresh, Metrics: b.reg,
		Now: func() time.Time {
			return time.UnixMicro(int64(now / time.Microsecond)).Add(time.Duration(b.clock.Load()))
		},
		Open: func(c job.OutletConfig) job.Outlet {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.outlets[c.Server] = &outlet{server: c.Server, relieved: c.Relieved}
			return b.outlets[c.Server]
		},
	}
	change(&cfg)
	j, err := job.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		for server, o := range b.outlets {
			if !o.closed {
				t.Errorf("outlet of %q is still open", server)
			}
		}
	})
	b.open = <-source.opened
	return b
}

func (b *bench) list(comets ...job.ServerID) {
	var list []job.Comet
	for _, c := range comets {
		list = append(list, job.Comet{Server: c, Addr: "addr of " + string(c)})
	}
	b.dir.Set(list...)
}

func (b *bench) outlet(server job.ServerID) *outlet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outlets[server]
}

// reread waits until the list has been read anew, and put into force.
func (b *bench) reread() {
	b.t.Helper()
	reads := b.dir.Reads()
	eventually(b.t, "the list is read", func() bool { return b.dir.Reads() >= reads+2 })
}

func record(offset int64, p *pushpb.Push) job.Record {
	return job.Record{Position: job.Position{Offset: offset}, Push: p, Bytes: 10}
}

func records(from int64, pushes ...*pushpb.Push) (rs []job.Record) {
	for i, p := range pushes {
		rs = append(rs, record(from+int64(i), p))
	}
	return rs
}

func (b *bench) dropped(reason job.Reason) float64 {
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "oort_job_dropped_total" && m.GetLabel()[0].GetValue() == reason.String() {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestRouting(t *testing.T) {
	b := newBench(t, "a@1", "b@1")
	p := b.open(job.TopicID{1}, 0)
	late := int64(now/time.Microsecond) - 1
	soon := int64(now/time.Microsecond) + 1
	err := p.Take(t.Context(), records(0,
		&pushpb.Push{Id: "room", Kind: pushpb.Kind_KIND_ROOM, Room: "r://1"},
		&pushpb.Push{Id: "keys a", Kind: pushpb.Kind_KIND_KEYS, Server: "a@1", Keys: []string{"k"}},
		&pushpb.Push{Id: "kick b", Kind: pushpb.Kind_KIND_KICK, Server: "b@1", Keys: []string{"k"}},
		&pushpb.Push{Id: "any", Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"k"}},
		&pushpb.Push{Id: "all", Kind: pushpb.Kind_KIND_ALL},
		&pushpb.Push{Id: "late", Kind: pushpb.Kind_KIND_ALL, ExpiresUs: late},
		&pushpb.Push{Id: "soon", Kind: pushpb.Kind_KIND_ALL, ExpiresUs: soon},
		&pushpb.Push{Id: "cancel", Kind: pushpb.Kind_KIND_CANCEL, Cancel: "all"},
		&pushpb.Push{Id: "cancel nothing", Kind: pushpb.Kind_KIND_CANCEL},
		&pushpb.Push{Id: "no kind"},
		&pushpb.Push{Id: "no room", Kind: pushpb.Kind_KIND_ROOM},
		&pushpb.Push{Id: "no keys", Kind: pushpb.Kind_KIND_KEYS, Server: "a@1"},
		&pushpb.Push{Id: "slower than slow", Kind: pushpb.Kind_KIND_ALL, Speed: -1},
		nil, // could not be decoded
	))
	if err != nil {
		t.Fatal(err)
	}
	for server, want := range map[job.ServerID]string{
		"a@1": "[room keys a any all soon cancel]",
		"b@1": "[room kick b any all soon cancel]",
	} {
		if got := fmt.Sprint(b.outlet(server).ids()); got != want {
			t.Errorf("%s got %v, want %v", server, got, want)
		}
	}
	if got := b.dropped(job.ReasonExpired); got != 1 {
		t.Errorf("%v expired, want 1", got)
	}
	if got := b.dropped(job.ReasonInvalid); got != 6 {
		t.Errorf("%v invalid, want 6", got)
	}
}

// TestSpeedIsShared: a broadcast's speed is divided over the comets, and no share
// becomes 0, which would mean no limit.
func TestSpeedIsShared(t *testing.T) {
	for _, c := range []struct {
		speed  int64
		comets []job.ServerID
		want   []int64
	}{
		{10, []job.ServerID{"a"}, []int64{10}},
		{10, []job.ServerID{"a", "b", "c"}, []int64{3, 3, 4}},
		{9, []job.ServerID{"a", "b", "c"}, []int64{3, 3, 3}},
		{1, []job.ServerID{"a", "b", "c"}, []int64{1, 1, 1}},
		{0, []job.ServerID{"a", "b"}, []int64{0, 0}},
		{5, nil, nil},
	} {
		b := newBench(t, c.comets...)
		push := &pushpb.Push{Id: "x", Kind: pushpb.Kind_KIND_ALL, Speed: c.speed}
		if err := b.open(job.TopicID{}, 0).Take(t.Context(), records(0, push)); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, server := range c.comets {
			got = append(got, b.outlet(server).got[0].Push.Speed)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("speed %d over %d comets: %v, want %v", c.speed, len(c.comets), got, c.want)
		}
		if push.Speed != c.speed {
			t.Errorf("the push itself was changed to speed %d", push.Speed)
		}
	}
}

// TestFinished: the prefix ends before the first record that some comet has not
// answered.
func TestFinished(t *testing.T) {
	b := newBench(t, "a", "b")
	p := b.open(job.TopicID{}, 0)
	expect := func(when string, want int64) {
		t.Helper()
		last, ok := p.Finished()
		if got := last.Offset; !ok && want >= 0 || ok && got != want {
			t.Errorf("%s: finished up to %d (%v), want %d", when, got, ok, want)
		}
	}
	expect("nothing taken", -1)
	if err := p.Take(t.Context(), records(7, roomPush("0"), roomPush("1"), roomPush("2"), &pushpb.Push{}, roomPush("4"))); err != nil {
		t.Fatal(err)
	}
	a, c := b.outlet("a"), b.outlet("b")
	expect("nothing answered", -1)
	a.answer(0, job.Outcome{})
	expect("one comet answered", -1)
	c.answer(1, job.Outcome{}) // 1
	expect("another record answered", -1)
	c.answer(0, job.Outcome{}) // 0
	expect("the first record answered by both", 7)
	a.answer(0, job.Outcome{}) // 1
	expect("the second too", 8)
	a.answer(0, job.Outcome{Drop: job.ReasonSlow}) // 2
	c.answer(0, job.Outcome{Drop: job.ReasonUnknown})
	expect("given up, and the invalid one after it", 10)
	drained := make(chan error, 1)
	go func() { drained <- p.Drain(context.Background()) }()
	a.answer(0, job.Outcome{})
	select {
	case <-drained:
		t.Error("drained with a record open")
	default:
	}
	c.answer(0, job.Outcome{})
	expect("everything", 11)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestCloseDiscards: what is not in flight goes, and answers change nothing.
func TestCloseDiscards(t *testing.T) {
	b := newBench(t, "a")
	p, other := b.open(job.TopicID{}, 0), b.open(job.TopicID{}, 1)
	for _, p := range []job.Partition{p, other} {
		if err := p.Take(t.Context(), records(0, roomPush("0"), roomPush("1"), roomPush("2"))); err != nil {
			t.Fatal(err)
		}
	}
	a := b.outlet("a")
	flight := a.got[0] // in flight: it will be answered
	p.Close()
	if got := len(a.ids()); got != 3 {
		t.Errorf("%d deliveries are left, want the other partition's 3", got)
	}
	flight.Owner.Done(a.server, flight, job.Outcome{})
	if last, ok := p.Finished(); ok {
		t.Errorf("a closed partition finished up to %v", last)
	}
}

// TestUnlistedComet: a record for a comet that is not listed waits for a list
// that was asked for later. Meanwhile other comets are served.
func TestUnlistedComet(t *testing.T) {
	b := newBench(t, "a")
	b.dir.Away(true)
	p := b.open(job.TopicID{}, 0)
	keys := func(id, server string) *pushpb.Push {
		return &pushpb.Push{Id: id, Kind: pushpb.Kind_KIND_KEYS, Server: server, Keys: []string{"k"}}
	}
	if err := p.Take(t.Context(), records(0, keys("0", "new"), keys("1", "a"), roomPush("2"))); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(b.outlet("a").ids()); got != "[1 2]" {
		t.Errorf("the listed comet got %v", got)
	}
	if got := fmt.Sprint(b.outlet("new").ids()); got != "[0]" {
		t.Errorf("the other got %v: what is for all is for the living", got)
	}
	if b.outlet("new").addr != "" {
		t.Error("it has an address")
	}
	b.list("a", "new")
	b.dir.Away(false)
	eventually(t, "the new comet is located", func() bool {
		o := b.outlet("new")
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.addr != ""
	})
}

// TestListChanges: joiners get what is read after the list names them; leavers
// nothing more, unless their stream lives.
func TestListChanges(t *testing.T) {
	b := newBench(t, "a", "b")
	p := b.open(job.TopicID{}, 0)
	take := func(offset int64, id string) {
		t.Helper()
		if err := p.Take(t.Context(), records(offset, roomPush(id))); err != nil {
			t.Fatal(err)
		}
	}
	take(0, "0")
	b.list("a", "b", "c")
	eventually(t, "c is known", func() bool { return b.outlet("c") != nil })
	b.reread()
	take(1, "1")
	// Logic is away: nothing changes.
	b.dir.Away(true)
	b.reread()
	take(2, "2")
	b.dir.Away(false)
	// b leaves the list, but its stream lives; c leaves it for good.
	bb := b.outlet("b")
	bb.mu.Lock()
	bb.alive = true
	bb.mu.Unlock()
	c := b.outlet("c")
	c.answer(0, job.Outcome{})
	c.answer(0, job.Outcome{})
	b.list("a")
	eventually(t, "c is closed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed
	})
	b.reread()
	take(3, "3")
	for server, want := range map[job.ServerID]string{"a": "[0 1 2 3]", "b": "[0 1 2 3]", "c": "[]"} {
		if got := fmt.Sprint(b.outlet(server).ids()); got != want {
			t.Errorf("%s: %v, want %v", server, got, want)
		}
	}
}

// TestRoom: one full comet holds nobody up; when all are full, a partition waits.
func TestRoom(t *testing.T) {
	b := newBench(t, "a", "b")
	p := b.open(job.TopicID{}, 0)
	b.outlet("a").fill(true)
	if err := p.Take(t.Context(), records(0, roomPush("0"))); err != nil {
		t.Fatal(err)
	}
	b.outlet("b").fill(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Take(ctx, records(1, roomPush("1"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all are full: %v", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- p.Take(context.Background(), records(1, roomPush("1"))) }()
	b.outlet("b").fill(false)
	if err := <-taken; err != nil {
		t.Error(err)
	}
	// Full comets that have left are waited for no longer.
	b.outlet("b").fill(true)
	go func() { taken <- p.Take(context.Background(), records(2, roomPush("2"))) }()
	b.list()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// TestNothingBeforeTheFirstList: without a list every room push would go to
// nobody, and be committed.
func TestNothingBeforeTheFirstList(t *testing.T) {
	dir := new(jobtest.Directory)
	dir.Away(true)
	source := &hands{opened: make(chan func(job.TopicID, int32) job.Partition, 1)}
	j, err := job.New(job.Config{Source: source, Directory: dir, Open: func(job.OutletConfig) job.Outlet { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	eventually(t, "two tries", func() bool { return dir.Reads() >= 2 })
	if err := j.Ready(t.Context()); !errors.Is(err, job.ErrNoList) {
		t.Errorf("ready: %v, want ErrNoList", err)
	}
	select {
	case <-source.opened:
		t.Error("the source runs")
	default:
	}
	dir.Away(false)
	<-source.opened
	if err := j.Ready(t.Context()); err != nil {
		t.Error("not ready:", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
