package dispatch_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/jobtest"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that should happen soon.
const patience = 20 * time.Second

// owner keeps the outcomes of one partition's deliveries.
type owner struct {
	partition int32

	mu       sync.Mutex
	outcomes map[int64][]job.Outcome // guarded by mu; by entry
}

func newOwner(partition int32) *owner {
	return &owner{partition: partition, outcomes: make(map[int64][]job.Outcome)}
}

func (o *owner) Partition() (job.TopicID, int32) { return job.TopicID{7}, o.partition }

func (o *owner) Done(_ job.ServerID, d job.Delivery, out job.Outcome) {
	o.mu.Lock()
	o.outcomes[d.Entry] = append(o.outcomes[d.Entry], out)
	o.mu.Unlock()
	if out.Entered != nil {
		out.Entered()
	}
}

// drops counts the outcomes by reason; each entry must have one at most.
func (o *owner) drops(t testing.TB) map[job.Reason]int {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := make(map[job.Reason]int)
	for entry, outs := range o.outcomes {
		if len(outs) != 1 {
			t.Errorf("entry %d has %d outcomes: %v", entry, len(outs), outs)
		}
		counts[outs[0].Drop]++
	}
	return counts
}

func (o *owner) wait(t testing.TB, n int) map[job.Reason]int {
	t.Helper()
	eventually(t, fmt.Sprintf("%d outcomes", n), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.outcomes) >= n
	})
	return o.drops(t)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// deliveries with entries and offsets from, from+1, …
func (o *owner) deliveries(from int64, n int) (ds []job.Delivery) {
	for i := from; i < from+int64(n); i++ {
		ds = append(ds, o.delivery(i, &pushpb.Push{Id: fmt.Sprint(i), Kind: pushpb.Kind_KIND_ALL}))
	}
	return ds
}

func (o *owner) delivery(at int64, p *pushpb.Push) job.Delivery {
	return job.Delivery{
		Record: job.Record{Position: job.Position{LeaderEpoch: 3, Offset: at}, Push: p, Bytes: 10 + len(p.Body)},
		Owner:  o, Entry: at,
	}
}

func dial(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return conn, conn, err
}

func open(t testing.TB, server job.ServerID, cfg dispatch.Config) job.Outlet {
	t.Helper()
	if cfg.Dial == nil {
		cfg.Dial = dial
	}
	d, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	o := d.Open(job.OutletConfig{Server: server, Relieved: func() {}})
	t.Cleanup(o.Close)
	return o
}

func listen(t testing.TB, server string) (*jobtest.Comet, string) {
	t.Helper()
	c := jobtest.NewComet(server)
	addr, stop, err := c.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return c, addr
}

// TestOneBatchInFlight: a partition has one batch in flight; what comes meanwhile
// gathers for the next. Another partition is not held up by it.
func TestOneBatchInFlight(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{})
	o.Locate(addr)
	eventually(t, "a stream", func() bool { return c.Streams() == 1 })
	resume := c.Stall()
	p := newOwner(0)
	for i := range 50 {
		o.Offer(p.deliveries(int64(i), 1))
		time.Sleep(100 * time.Microsecond)
	}
	resume()
	p.wait(t, 50)
	if n := len(c.Batches()); n > 3 {
		t.Errorf("50 records offered one by one, the first unanswered, went in %d batches: %v", n, c.Batches())
	}
}

func TestBatchBounds(t *testing.T) {
	c, addr := listen(t, "c@1")
	c.MaxBatch(2000)
	o := open(t, "c@1", dispatch.Config{BatchRecords: 4, BatchBytes: 700})
	p := newOwner(0)
	sizes := []int{0, 0, 0, 0, 0, 400, 400, 1500, 3000, 0}
	for i, n := range sizes {
		o.Offer([]job.Delivery{p.delivery(int64(i), &pushpb.Push{Id: fmt.Sprint(i), Body: make([]byte, n)})})
	}
	o.Locate(addr) // only now, so that batches are as large as they may be
	drops := p.wait(t, len(sizes))
	if got := fmt.Sprint(c.Batches()); got != "[4 2 1 1 1]" {
		t.Errorf("batches %v", got)
	}
	if drops[job.ReasonInvalid] != 1 || drops[job.ReasonNone] != len(sizes)-1 {
		t.Errorf("outcomes %v; want the one larger than the comet's bound invalid", drops)
	}
}

func TestExpiredWhileWaiting(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{})
	p := newOwner(0)
	soon := time.Now().Add(30 * time.Millisecond)
	for i := range int64(4) {
		push := &pushpb.Push{Id: fmt.Sprint(i)}
		if i%2 == 0 {
			push.ExpiresUs = soon.UnixMicro()
		}
		o.Offer([]job.Delivery{p.delivery(i, push)})
	}
	time.Sleep(time.Until(soon)) // the time to live is what is tested
	o.Locate(addr)
	drops := p.wait(t, 4)
	if drops[job.ReasonExpired] != 2 || c.Count() != 2 {
		t.Errorf("outcomes %v, %d applied; want 2 and 2", drops, c.Count())
	}
}

// TestOutcomes: a comet's words reach the owner.
func TestOutcomes(t *testing.T) {
	c, addr := listen(t, "c@1")
	c.Answer(func(p jobtest.Place) *cometpb.Outcome {
		return &cometpb.Outcome{
			Drop: cometpb.Drop(p.Offset), Links: uint32(p.Offset), Missing: make([]string, p.Offset),
		}
	})
	o := open(t, "c@1", dispatch.Config{})
	o.Locate(addr)
	p := newOwner(0)
	o.Offer(p.deliveries(0, 5))
	p.wait(t, 5)
	for i, want := range []job.Reason{job.ReasonNone, job.ReasonClosed, job.ReasonExpired, job.ReasonInvalid, job.ReasonInvalid} {
		got := p.outcomes[int64(i)][0]
		if got.Drop != want || got.Links != i || len(got.Missing) != i {
			t.Errorf("drop %d: %+v, want %v", i, got, want)
		}
	}
}

// TestAnotherIncarnation: what is addressed to a dead incarnation is dropped as
// closed, then and later, until the comet is located elsewhere.
func TestAnotherIncarnation(t *testing.T) {
	_, addr := listen(t, "c@2")
	o := open(t, "c@1", dispatch.Config{})
	p := newOwner(0)
	o.Offer(p.deliveries(0, 3))
	o.Locate(addr)
	p.wait(t, 3)
	o.Offer(p.deliveries(3, 2))
	if drops := p.wait(t, 5); drops[job.ReasonClosed] != 5 {
		t.Errorf("outcomes %v, want all closed", drops)
	}
	c, addr := listen(t, "c@1")
	o.Locate(addr)
	o.Offer(p.deliveries(5, 1))
	if drops := p.wait(t, 6); drops[job.ReasonNone] != 1 || c.Count() != 1 {
		t.Errorf("outcomes %v: located elsewhere, it should be served", drops)
	}
}

// TestMissing: a comet that is not listed any more and has no stream loses what
// was offered before that list was asked for, and nothing else.
func TestMissing(t *testing.T) {
	o := open(t, "c@1", dispatch.Config{})
	p := newOwner(0)
	o.Offer(p.deliveries(0, 3))
	seq := o.Seq()
	o.Offer(p.deliveries(3, 1))
	if alive, idle := o.Missing(seq); alive || idle {
		t.Errorf("alive %v, idle %v, with a delivery offered later", alive, idle)
	}
	if drops := p.wait(t, 3); drops[job.ReasonClosed] != 3 {
		t.Errorf("outcomes %v, want 3 closed", drops)
	}
	if alive, idle := o.Missing(o.Seq()); alive || !idle {
		t.Errorf("alive %v, idle %v; want idle", alive, idle)
	}
	if drops := p.wait(t, 4); drops[job.ReasonClosed] != 4 {
		t.Errorf("outcomes %v, want 4 closed", drops)
	}
}

// TestMissingWithAStream: absence from the list alone removes nobody; when its
// stream dies too, also what was in flight is dropped.
func TestMissingWithAStream(t *testing.T) {
	c := jobtest.NewComet("c@1")
	addr, stop, err := c.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	o := open(t, "c@1", dispatch.Config{})
	o.Locate(addr)
	p := newOwner(0)
	o.Offer(p.deliveries(0, 1))
	p.wait(t, 1)
	if alive, idle := o.Missing(o.Seq()); !alive || idle {
		t.Errorf("alive %v, idle %v, with a stream", alive, idle)
	}
	resume := c.Stall()
	defer resume()
	o.Offer(p.deliveries(1, 2))
	stop()
	eventually(t, "the comet is gone", func() bool {
		_, idle := o.Missing(o.Seq())
		return idle
	})
	if drops := p.wait(t, 3); drops[job.ReasonClosed] != 2 {
		t.Errorf("outcomes %v, want 2 closed", drops)
	}
}

// TestUnreachable: a comet that is listed and cannot be reached is tried again
// until MaxHold; then its records go, and it may still come.
func TestUnreachable(t *testing.T) {
	c := jobtest.NewComet("c@1")
	addr, stop, err := c.Listen()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	o := open(t, "c@1", dispatch.Config{MaxHold: 100 * time.Millisecond})
	o.Locate(addr)
	p := newOwner(0)
	o.Offer(p.deliveries(0, 3))
	if drops := p.wait(t, 3); drops[job.ReasonSlow] != 3 {
		t.Errorf("outcomes %v, want 3 slow", drops)
	}
	_, stop, err = c.ListenOn(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	eventually(t, "a stream", func() bool { return c.Streams() == 1 })
	o.Offer(p.deliveries(3, 1))
	if drops := p.wait(t, 4); drops[job.ReasonNone] != 1 {
		t.Errorf("outcomes %v, want one applied", drops)
	}
}

// TestUnanswered: what was sent and is never answered is given up as unknown,
// what waits behind it goes over a new stream.
func TestUnanswered(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{MaxHold: 200 * time.Millisecond, BatchRecords: 2})
	resume := c.Stall()
	defer resume()
	o.Locate(addr)
	p := newOwner(0)
	o.Offer(p.deliveries(0, 2))
	eventually(t, "a stream", func() bool { return c.Streams() == 1 })
	if drops := p.wait(t, 2); drops[job.ReasonUnknown] != 2 {
		t.Errorf("outcomes %v, want 2 unknown", drops)
	}
	o.Offer(p.deliveries(2, 1))
	resume()
	if drops := p.wait(t, 3); drops[job.ReasonNone] != 1 {
		t.Errorf("outcomes %v, want one applied", drops)
	}
}

// TestBound: above MaxBytes the oldest that are not in flight are dropped, of
// whatever partition; Room and Relieved tell of half of it.
func TestBound(t *testing.T) {
	relieved := make(chan struct{}, 100)
	d, err := dispatch.New(dispatch.Config{Dial: dial, MaxBytes: 10 * (10 + 96)})
	if err != nil {
		t.Fatal(err)
	}
	o := d.Open(job.OutletConfig{Server: "c@1", Relieved: func() { relieved <- struct{}{} }})
	t.Cleanup(o.Close)
	p, q := newOwner(0), newOwner(1)
	o.Offer(p.deliveries(0, 3))
	o.Offer(q.deliveries(0, 2))
	if !o.Room() {
		t.Error("no room at half")
	}
	o.Offer(p.deliveries(3, 5))
	if o.Room() {
		t.Error("room at the bound")
	}
	if len(p.drops(t))+len(q.drops(t)) != 0 {
		t.Error("dropped at the bound")
	}
	o.Offer(q.deliveries(2, 4))
	if dp, dq := p.drops(t), q.drops(t); dp[job.ReasonSlow] != 3 || dq[job.ReasonSlow] != 1 {
		t.Errorf("dropped %v and %v, want the oldest: 3 and 1", dp, dq)
	}
	c, addr := listen(t, "c@1")
	o.Locate(addr)
	p.wait(t, 8)
	q.wait(t, 6)
	if c.Count() != 10 {
		t.Errorf("%d applied, want 10", c.Count())
	}
	select {
	case <-relieved:
	case <-time.After(patience):
		t.Error("nobody was told of room")
	}
}

// TestForget: what waits for a revoked partition goes without a word; a batch of
// it in flight is not repeated; a new tenancy of the partition follows it.
func TestForget(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{BatchRecords: 2})
	c.Mute(true)
	o.Locate(addr)
	old, other := newOwner(0), newOwner(1)
	o.Offer(old.deliveries(0, 6))
	eventually(t, "the first batch is applied", func() bool { return len(c.Batches()) > 0 })
	o.Forget(old)
	again := newOwner(0)
	o.Offer(again.deliveries(0, 6))
	o.Offer(other.deliveries(0, 1))
	c.Mute(false)
	again.wait(t, 6)
	other.wait(t, 1)
	var ids []string
	for _, p := range c.Applied() {
		if p.Partition == 0 {
			ids = append(ids, p.Push.GetId())
		}
	}
	if got := strings.Join(ids, " "); got != "0 1 2 3 4 5" {
		t.Errorf("applied %v, want each once, in order", got)
	}
	if n := len(old.drops(t)); n > 2 {
		t.Errorf("%d outcomes for the old tenancy, want those of the batch in flight at most", n)
	}
}

// TestNoAddress: in one process a comet needs none.
func TestNoAddress(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{Dial: func(string, string) (grpc.ClientConnInterface, io.Closer, error) {
		return dial("", addr)
	}})
	p := newOwner(0)
	o.Offer(p.deliveries(0, 1))
	o.Locate("")
	p.wait(t, 1)
	if c.Count() != 1 {
		t.Errorf("%d applied, want 1", c.Count())
	}
}

// TestDialFails: it is tried again, not spun on.
func TestDialFails(t *testing.T) {
	var mu sync.Mutex
	tries := 0
	o := open(t, "c@1", dispatch.Config{Dial: func(string, string) (grpc.ClientConnInterface, io.Closer, error) {
		mu.Lock()
		defer mu.Unlock()
		tries++
		return nil, nil, errors.New("no")
	}})
	o.Locate("somewhere")
	time.Sleep(500 * time.Millisecond) // what happens within a time is what is tested
	mu.Lock()
	defer mu.Unlock()
	if tries < 2 || tries > 15 {
		t.Errorf("%d tries in half a second", tries)
	}
}

// TestProtocolBroken: a comet that answers what it was not asked is not believed.
func TestProtocolBroken(t *testing.T) {
	for name, answer := range map[string]*cometpb.Ack{
		"of another batch":  {Seq: 99, Outcomes: make([]*cometpb.Outcome, 1)},
		"too few outcomes":  {Seq: 1},
		"too many outcomes": {Seq: 1, Outcomes: []*cometpb.Outcome{{}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			liar := &liar{ack: answer, asked: make(chan struct{}, 100)}
			addr := liar.listen(t)
			o := open(t, "c@1", dispatch.Config{})
			o.Locate(addr)
			p := newOwner(0)
			o.Offer(p.deliveries(0, 1))
			<-liar.asked
			<-liar.asked // the same batch, over a new stream
			if n := len(p.drops(t)); n != 0 {
				t.Errorf("%d outcomes from a liar", n)
			}
		})
	}
}
