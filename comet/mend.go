package comet

import (
	"context"
	"sync/atomic"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/roster"
)

// mender keeps logic's sessions those of the links that live here. Each renewal
// brings digests of what is stored; a bucket of keys that differs is listed
// from the loops and mended: after a failover or a total loss of the store
// sessions are missing there, after a connect that timed out here and succeeded
// there is one too many (a ghost), and a link that lost its key and was never
// told is still here.
//
// Connects and disconnects that are under way make digests differ for a moment,
// but hardly twice in the same way: so a bucket is mended only when two renewals
// in a row showed the same difference. A bucket as busy as that is mended in a
// quieter second.
type mender struct {
	s *Server

	seen roster.Digests // the last differences; owned by lease.run
	due  chan []int     // buckets to mend; one list waits, more would be the same

	buckets, lost, ghosts atomic.Uint64
}

const (
	// mendAtOnce is how many buckets are listed in one walk over the links: an
	// eighth of the links, 12 MB of 1,000,000.
	mendAtOnce = roster.Buckets / 8
	// mendBatch is about how many links go to logic in one call.
	mendBatch = 4096
	// mendEvery is after how many renewals one bucket is mended though it does
	// not differ: its sessions are read and live on. All come about in four
	// hours, by the usual interval.
	mendEvery = 20
	// musterChunk is how many slots a loop looks through at a time, so that a
	// walk over all links leaves it its other work.
	musterChunk = 4096
)

func newMender(s *Server) *mender { return &mender{s: s, due: make(chan []int, 1)} }

// digests of the links that are live here.
func (s *Server) digests() (d roster.Digests) {
	for _, m := range s.meters {
		for b := range d {
			d[b] ^= m.roster[b].Load()
		}
	}
	return d
}

// digest turns a link in or out of its bucket's digest.
func (b *bucket) digest(r *record) {
	k := b.keyOf(r)
	d := &b.m.roster[roster.Bucket(k)]
	d.Store(d.Load() ^ roster.Hash(k, r.mid, r.number, r.epoch))
}

// compare finds what must be mended, from what was here before a renewal and
// what it said is stored.
func (m *mender) compare(renewal uint64, own roster.Digests, stored *roster.Digests) {
	if stored == nil {
		return
	}
	var list []int
	routine := -1
	if renewal%mendEvery == 0 {
		routine = int(renewal/mendEvery) % roster.Buckets
	}
	for b := range own {
		differs := own[b] ^ stored[b]
		if differs != 0 && differs == m.seen[b] || b == routine {
			list = append(list, b)
		}
		m.seen[b] = differs
	}
	if len(list) == 0 {
		return
	}
	select {
	case m.due <- list:
		for _, b := range list {
			m.seen[b] = 0 // while it is mended, it need not be again
		}
	default: // still at the list before
	}
}

// run mends what is due until ctx or the loops end.
func (m *mender) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // what is under way when the loops end concerns nobody
		defer cancel()
		select {
		case <-ctx.Done():
		case <-m.s.over:
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case list := <-m.due:
			if err := m.round(ctx, list); err != nil && ctx.Err() == nil {
				m.s.cfg.Log.Warn("sessions not mended; what differs comes again", "error", err)
			}
		}
	}
}

// round mends what differs. If sessions were missing, the store has lost
// writes; those of hints by mid lie elsewhere and are in no digest, so all that
// is held here is written again.
func (m *mender) round(ctx context.Context, list []int) error {
	missing, err := m.mendAll(ctx, list)
	if err != nil || missing == 0 || len(list) == roster.Buckets {
		return err
	}
	all := make([]int, roster.Buckets)
	for b := range all {
		all[b] = b
	}
	_, err = m.mendAll(ctx, all)
	return err
}

func (m *mender) mendAll(ctx context.Context, list []int) (missing int, err error) {
	for len(list) > 0 {
		n := min(len(list), mendAtOnce)
		more, err := m.mend(ctx, list[:n])
		if missing += more; err != nil {
			return missing, err
		}
		list = list[n:]
	}
	return missing, nil
}

// mend lists some buckets and has them mended, as many at a time as make a
// batch.
func (m *mender) mend(ctx context.Context, list []int) (missing int, err error) {
	held, err := m.s.muster(list)
	if err != nil {
		return 0, err
	}
	for len(list) > 0 {
		var batch []Held
		n := 0
		for n < len(list) && (n == 0 || len(batch)+len(held[list[n]]) <= mendBatch) {
			batch = append(batch, held[list[n]]...)
			n++
		}
		more, err := m.exchange(ctx, list[:n], batch)
		if missing += more; err != nil {
			return missing, err
		}
		m.buckets.Add(uint64(n))
		list = list[n:]
	}
	return missing, nil
}

func (m *mender) exchange(ctx context.Context, buckets []int, held []Held) (missing int, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.s.cfg.Times.Sessions)
	defer cancel()
	got, err := m.s.logic.Mend(ctx, buckets, held)
	if err != nil {
		return 0, err
	}
	m.evict(got.Lost)
	return got.Missing, m.confront(got.Strangers)
}

// evict closes links that lost their key, if they still are who they were.
func (m *mender) evict(lost []Held) {
	for _, h := range lost {
		at, ok := m.s.keys.find(h.Key)
		if ok && at.epoch == h.Epoch {
			m.lost.Add(1)
			patiently(m.s.over, m.s.buckets[at.loop].loop, poller.Task{Kind: taskEvict, ID: at.id, Arg: uint64(ReasonReplaced)})
		}
	}
}

// confront asks the loops whether they know the strangers.
func (m *mender) confront(strangers []Held) error {
	by := make(map[int][]Held)
	for _, h := range strangers {
		if loop := int(h.Link >> linkBits); loop < len(m.s.buckets) {
			by[loop] = append(by[loop], h)
		}
	}
	for loop, list := range by {
		if !patiently(m.s.over, m.s.buckets[loop].loop, poller.Task{Kind: taskStrangers, Ref: list}) {
			return ErrStopping
		}
	}
	return nil
}

// judge gives back the sessions of links that this loop does not know. One that
// waits for its answer may have its session already.
func (b *bucket) judge(strangers []Held) {
	for _, h := range strangers {
		if _, asking := b.asking[h.Link]; asking {
			continue
		}
		if at, ok := b.s.keys.find(h.Key); ok && at.epoch == h.Epoch {
			continue // it has come meanwhile
		}
		b.s.mender.ghosts.Add(1)
		b.s.pump.disconnect(Disconnect{Link: h.Link, Key: h.Key, Mid: h.Mid, Epoch: h.Epoch})
	}
}

// muster asks a loop for its live links in some buckets, a part of its slots at
// a time.
type muster struct {
	want [roster.Buckets]bool
	from uint32
	held map[int][]Held // by bucket
	more chan bool      // whether there are more slots; after it the asker owns all
}

// muster lists the live links of some buckets. It is no snapshot: a link that
// comes or goes meanwhile may be in it or not.
func (s *Server) muster(list []int) (map[int][]Held, error) {
	q := &muster{held: make(map[int][]Held, len(list)), more: make(chan bool, 1)}
	for _, b := range list {
		q.want[b] = true
	}
	for i := range s.buckets {
		q.from = 0
		for more := true; more; {
			if !patiently(s.over, s.buckets[i].loop, poller.Task{Kind: taskMuster, Ref: q}) {
				return nil, ErrStopping
			}
			select {
			case more = <-q.more:
			case <-s.over:
				return nil, ErrStopping
			}
		}
	}
	return q.held, nil
}

func (b *bucket) answerMuster(q *muster) {
	to := min(b.slots, q.from+musterChunk)
	for ; q.from < to; q.from++ {
		r := b.links.At(q.from)
		if r.state != live {
			continue
		}
		if at := roster.Bucket(b.keyOf(r)); q.want[at] { // this key stays on the stack
			q.held[at] = append(q.held[at], Held{
				Link: r.number, Key: b.keyOf(r), Mid: r.mid, Epoch: r.epoch, Platform: b.named.name(r.auth),
			})
		}
	}
	q.more <- q.from < b.slots
}
