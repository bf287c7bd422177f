package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/pushpb"
)

// books is a job.Ledger, Finder and Writer in memory, which a test can keep from
// working.
type books struct {
	mu      sync.Mutex
	away    error                   // guarded by mu; what all methods answer
	calls   int                     // guarded by mu; also those in vain
	entries []dropped.Entry         // guarded by mu
	written []*pushpb.Push          // guarded by mu
	where   map[string]job.ServerID // guarded by mu
	asked   []string                // guarded by mu
}

func (b *books) do(what func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.away == nil {
		what()
	}
	return b.away
}

func (b *books) Enter(_ context.Context, entries []dropped.Entry) error {
	return b.do(func() { b.entries = append(b.entries, entries...) })
}

func (b *books) Write(_ context.Context, pushes []*pushpb.Push) error {
	return b.do(func() { b.written = append(b.written, pushes...) })
}

func (b *books) Where(_ context.Context, keys []string) (servers []job.ServerID, err error) {
	err = b.do(func() {
		for _, key := range keys {
			servers = append(servers, b.where[key])
			b.asked = append(b.asked, key)
		}
	})
	return servers, err
}

// set keeps everything from working, or not any more.
func (b *books) set(away error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

func (b *books) tries() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// told is the ledger in short.
func (b *books) told() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		list = append(list, fmt.Sprint(e.ID, " ", e.Comet, " ", e.Reason, " ", e.Keys, " ", e.Offset))
	}
	return list
}

// again is what was written in short.
func (b *books) again() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.written {
		list = append(list, fmt.Sprint(p.Id, " ", p.Server, " ", p.Keys, " ", p.Moved))
	}
	return list
}

var errAway = errors.New("away")

// keeping makes a bench whose job has all that b is.
func keeping(t testing.TB, b *books, comets ...job.ServerID) *bench {
	return newBenchWith(t, func(c *job.Config) {
		c.Ledger, c.Finder, c.Writer, c.Name = b, b, b, "job-1"
	}, comets...)
}

func toKeys(id string, server string, keys ...string) *pushpb.Push {
	return &pushpb.Push{
		Id: id, Kind: pushpb.Kind_KIND_KEYS, Server: server, Keys: keys, Body: []byte(id),
		AcceptedUs: int64(now/time.Microsecond) + 1,
	}
}

func take(t testing.TB, p job.Partition, from int64, pushes ...*pushpb.Push) {
	t.Helper()
	if err := p.Take(t.Context(), records(from, pushes...)); err != nil {
		t.Fatal(err)
	}
}

// finished waits until p has finished the record at offset, and no further.
func finished(t testing.TB, p job.Partition, offset int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("finished up to %d", offset), func() bool {
		last, ok := p.Finished()
		return ok && last.Offset == offset
	})
}

// TestDropsAreTold: each drop is in the ledger with its reason, whoever dropped
// it, before its record counts as finished.
func TestDropsAreTold(t *testing.T) {
	l := &books{}
	b := keeping(t, l, "a@1", "b@1")
	p := b.open(job.TopicID{1}, 0)
	l.set(errAway)
	late := roomPush("late")
	late.ExpiresUs = 1
	take(t, p, 10, late, roomPush("x"), nil)
	a, c := b.outlet("a@1"), b.outlet("b@1")
	entered := make(chan struct{})
	a.answer(0, job.Outcome{Drop: job.ReasonSlow, Entered: func() { close(entered) }})
	c.answer(0, job.Outcome{Drop: job.ReasonInvalid}) // the comet's own word
	tries := l.tries()
	eventually(t, "two more tries", func() bool { return l.tries() >= tries+2 })
	if last, ok := p.Finished(); ok {
		t.Errorf("finished up to %v without a ledger", last)
	}
	select {
	case <-entered:
		t.Error("a drop is told as entered that is not")
	default:
	}
	l.set(nil)
	finished(t, p, 12)
	<-entered
	got, want := l.told(), []string{
		" " + "" + " invalid [] 12", "late  expired [] 10", "x a@1 slow [] 11", "x b@1 invalid [] 11",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the ledger says %q, want %q", got, want)
	}
	if e := l.entries[0]; e.Job != "job-1" || e.At.IsZero() {
		t.Errorf("an entry by %q at %v", e.Job, e.At)
	}
}

// TestFullLedgerStopsReading: what waits for the ledger is bounded.
func TestFullLedgerStopsReading(t *testing.T) {
	l := &books{away: errAway}
	b := newBenchWith(t, func(c *job.Config) { c.Ledger, c.MaxWaiting = l, 3 }, "a@1")
	p := b.open(job.TopicID{1}, 0)
	take(t, p, 0, nil, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Take(ctx, records(3, roomPush("x"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with three drops waiting: %v", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- p.Take(context.Background(), records(3, roomPush("x"))) }()
	l.set(nil)
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// TestFollow: keys that are not there are looked for once; the push goes after
// those that are elsewhere, one record a comet, and the rest is told.
func TestFollow(t *testing.T) {
	l := &books{where: map[string]job.ServerID{"k1": "b@1", "k2": "c@1", "k3": "b@1"}}
	b := keeping(t, l, "a@1")
	p := b.open(job.TopicID{1}, 0)
	push := toKeys("x", "a@1", "k0", "k1", "k2", "k3", "k4")
	push.Op, push.Lane, push.ExpiresUs, push.OwnId = 1000, pushpb.Lane_LANE_GIFT, 1<<60, true
	moved := toKeys("y", "a@1", "k1", "k2")
	moved.Moved = true
	take(t, p, 5, push, moved)
	a := b.outlet("a@1")
	l.set(errAway)
	a.answer(0, job.Outcome{Links: 1, Missing: []string{"k1", "k2", "k3", "k4"}})
	a.answer(0, job.Outcome{Links: 1, Missing: []string{"k2"}})
	tries := l.tries()
	eventually(t, "two more tries", func() bool { return l.tries() >= tries+2 })
	if last, ok := p.Finished(); ok {
		t.Errorf("finished up to %v before the push could follow", last)
	}
	l.set(nil)
	finished(t, p, 6)
	if got, want := l.again(), []string{"x b@1 [k1 k3] true", "x c@1 [k2] true"}; !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
	if w := l.written[0]; w.Op != 1000 || w.Lane != push.Lane || w.ExpiresUs != push.ExpiresUs || !w.OwnId ||
		w.AcceptedUs != push.AcceptedUs || string(w.Body) != "x" {
		t.Errorf("the push has changed on its way: %v", w)
	}
	got, want := l.told(), []string{"x a@1 closed [k4] 5", "y a@1 moved [k2] 6"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the ledger says %q, want %q", got, want)
	}
	if b.dropped(job.ReasonMoved) != 1 || b.dropped(job.ReasonClosed) != 1 {
		t.Errorf("counted: %v moved, %v closed", b.dropped(job.ReasonMoved), b.dropped(job.ReasonClosed))
	}
}

// TestFollowInOrder: pushes that a key missed follow it in the order in which
// they were made, also when logic is away in between.
func TestFollowInOrder(t *testing.T) {
	l := &books{where: map[string]job.ServerID{"k": "b@1"}}
	b := keeping(t, l, "a@1")
	p := b.open(job.TopicID{1}, 0)
	var want []string
	for i := range int64(50) {
		id := fmt.Sprint(i)
		want = append(want, id+" b@1 [k] true")
		take(t, p, i, toKeys(id, "a@1", "k"))
		if i%10 == 5 {
			l.set(errAway)
		}
		b.outlet("a@1").answer(0, job.Outcome{Missing: []string{"k"}})
		if i%10 == 6 {
			l.set(nil)
		}
	}
	finished(t, p, 49)
	if got := l.again(); !slices.Equal(got, want) {
		t.Errorf("written %q", got)
	}
}

// TestFollowFromADeadComet: what no job has sent to a comet that is gone follows
// its keys; what may have been delivered there does not.
func TestFollowFromADeadComet(t *testing.T) {
	l := &books{where: map[string]job.ServerID{"k": "b@1"}}
	b := keeping(t, l, "a@1")
	p := b.open(job.TopicID{1}, 0)
	before := toKeys("before this tenancy", "a@1", "k")
	before.AcceptedUs = int64(now / time.Microsecond)
	room := roomPush("room")
	room.AcceptedUs = 1 << 60
	take(t, p, 0, toKeys("unsent", "a@1", "k"), toKeys("sent", "a@1", "k"), before, room)
	a := b.outlet("a@1")
	a.answer(0, job.Outcome{Drop: job.ReasonClosed, Unsent: true})
	a.answer(0, job.Outcome{Drop: job.ReasonClosed})
	a.answer(0, job.Outcome{Drop: job.ReasonClosed, Unsent: true})
	a.answer(0, job.Outcome{Drop: job.ReasonClosed, Unsent: true})
	finished(t, p, 3)
	if got, want := l.again(), []string{"unsent b@1 [k] true"}; !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
	got, want := l.told(), []string{"before this tenancy a@1 closed [k] 2", "room a@1 closed [] 3", "sent a@1 closed [k] 1"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the ledger says %q, want %q", got, want)
	}
}

// TestRevokedIsNotTold: what waits for the ledger when the partition is given up
// is the next owner's to judge.
func TestRevokedIsNotTold(t *testing.T) {
	l := &books{}
	b := keeping(t, l, "a@1")
	p, other := b.open(job.TopicID{1}, 0), b.open(job.TopicID{1}, 1)
	l.set(errAway)
	take(t, p, 0, roomPush("revoked"))
	b.outlet("a@1").answer(0, job.Outcome{Drop: job.ReasonSlow, Entered: func() { t.Error("told of a revoked drop") }})
	p.Close()
	take(t, other, 0, nil)
	l.set(nil)
	finished(t, other, 0)
	if got := l.told(); len(got) != 1 {
		t.Errorf("the ledger says %q", got)
	}
}

// TestExpiredOnTheWay: a push does not follow when its time is over.
func TestExpiredOnTheWay(t *testing.T) {
	l := &books{where: map[string]job.ServerID{"k": "b@1"}}
	b := keeping(t, l, "a@1")
	p := b.open(job.TopicID{1}, 0)
	push := toKeys("x", "a@1", "k")
	push.ExpiresUs = int64(now/time.Microsecond) + 1
	take(t, p, 0, push)
	push.ExpiresUs-- // the clock of this bench stands still
	b.outlet("a@1").answer(0, job.Outcome{Missing: []string{"k"}})
	finished(t, p, 0)
	if got := l.told(); len(got) != 1 || got[0] != "x a@1 expired [k] 0" || len(l.again()) != 0 {
		t.Errorf("the ledger says %q, written %q", got, l.again())
	}
}
