package dispatch_test

import (
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/proto/pushpb"
)

// ledgerOwner keeps the word back that drops have been entered.
type ledgerOwner struct {
	*owner

	mu      sync.Mutex
	pending []func() // guarded by mu
}

func (o *ledgerOwner) Done(comet job.ServerID, d job.Delivery, out job.Outcome) {
	if out.Entered != nil {
		o.mu.Lock()
		o.pending = append(o.pending, out.Entered)
		o.mu.Unlock()
		out.Entered = nil
	}
	o.owner.Done(comet, d, out)
}

// enter says so for the first n drops.
func (o *ledgerOwner) enter(n int) {
	o.mu.Lock()
	first := o.pending[:n]
	o.pending = o.pending[n:]
	o.mu.Unlock()
	for _, entered := range first {
		entered()
	}
}

func (o *ledgerOwner) held() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending)
}

func (o *ledgerOwner) deliveries(from int64, n int) []job.Delivery {
	ds := o.owner.deliveries(from, n)
	for i := range ds {
		ds[i].Owner = o
	}
	return ds
}

// TestDropHoldsTheLane: nothing that lies behind a drop in its partition reaches
// the comet until the drop is in the ledger; what lies before it, and other
// partitions, go on.
func TestDropHoldsTheLane(t *testing.T) {
	c, addr := listen(t, "c@1")
	o := open(t, "c@1", dispatch.Config{})
	p, other := &ledgerOwner{owner: newOwner(0)}, newOwner(1)
	ds := p.deliveries(0, 6)
	ds[2].Push = &pushpb.Push{Id: "2", Kind: pushpb.Kind_KIND_ALL, ExpiresUs: 1}
	ds[4].Push = &pushpb.Push{Id: "4", Kind: pushpb.Kind_KIND_ALL, ExpiresUs: 1}
	o.Offer(ds)
	o.Locate(addr)
	eventually(t, "the first drop", func() bool { return p.held() == 1 })
	o.Offer(other.deliveries(0, 1))
	other.wait(t, 1)
	if n := c.Count(); n != 3 { // 0, 1 and the other partition's
		t.Errorf("%d records applied behind a drop that is not entered", n)
	}
	p.enter(1)
	eventually(t, "the second drop", func() bool { return p.held() == 1 })
	if drops := p.wait(t, 5); drops[job.ReasonExpired] != 2 || c.Count() != 4 {
		t.Errorf("outcomes %v, %d applied", drops, c.Count())
	}
	p.enter(1)
	p.wait(t, 6)
}

// TestGivenUpHoldsTheLane: so does a batch that was never answered, and what
// overflowed; the new tenancy of a revoked partition begins anew.
func TestGivenUpHoldsTheLane(t *testing.T) {
	c, addr := listen(t, "c@1")
	resume := c.Stall()
	defer resume()
	o := open(t, "c@1", dispatch.Config{MaxHold: 500 * time.Millisecond, BatchRecords: 1})
	o.Locate(addr)
	p := &ledgerOwner{owner: newOwner(0)}
	o.Offer(p.deliveries(0, 3))
	drops := p.wait(t, 3)
	if drops[job.ReasonUnknown] != 1 || drops[job.ReasonSlow] != 2 {
		t.Errorf("outcomes %v", drops)
	}
	resume()
	eventually(t, "the comet is back", func() bool { return c.Streams() > 0 })
	next := &ledgerOwner{owner: newOwner(1)}
	o.Offer(p.deliveries(3, 1))
	o.Offer(next.deliveries(0, 1))
	next.wait(t, 1)
	for _, at := range c.Applied() { // the first record may have been, late
		if at.Partition == 0 && at.Offset > 0 {
			t.Errorf("the comet got record %d, behind drops that are not entered", at.Offset)
		}
	}
	o.Forget(p)
	again := &ledgerOwner{owner: newOwner(0)}
	o.Offer(again.deliveries(0, 1))
	again.wait(t, 1)
	p.enter(3) // late, for nobody
	o.Offer(again.deliveries(1, 1))
	if drops := again.wait(t, 2); drops[job.ReasonNone] != 2 {
		t.Errorf("after the partition came back: %v", drops)
	}
}
