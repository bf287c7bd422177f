package dispatch_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

// side is an outlet, its comet and a partition.
type side struct {
	*owner
	t     testing.TB
	o     job.Outlet
	comet *talker
	addr  string
	reg   *prometheus.Registry
	at    int64
}

func newSide(t testing.TB, cfg dispatch.Config) *side {
	t.Helper()
	s := &side{owner: newOwner(0), t: t, reg: prometheus.NewRegistry()}
	cfg.Metrics = s.reg
	s.comet, s.addr = newTalker(t)
	s.o = open(t, "c@1", cfg)
	s.o.Locate(s.addr)
	return s
}

// room offers records of rooms at once, with the names of the rooms as ids.
func (s *side) room(names ...string) {
	var ds []job.Delivery
	for _, name := range names {
		ds = append(ds, s.delivery(s.at, &pushpb.Push{Id: name, Kind: pushpb.Kind_KIND_ROOM, Room: name}))
		s.at++
	}
	s.o.Offer(ds)
}

// spared waits until n outcomes are there and counts those that were spared.
func (s *side) spared(n int) (spared int) {
	s.t.Helper()
	s.wait(s.t, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, outs := range s.outcomes {
		if outs[0].Spared {
			spared++
		}
	}
	return spared
}

func (s *side) counted(choice string) float64 {
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "oort_job_room_records_total" && m.GetLabel()[0].GetValue() == choice {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func expect(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRoomOfTheComet: a record of a room that the comet has asks nobody.
func TestRoomOfTheComet(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a", "b")
	s.room("a")
	expect(t, k.batch(), "[a]")
	s.room("b")
	expect(t, k.batch(), "[b]")
	k.nothing()
}

// known brings a stream to where the rooms are known: the snapshot is echoed,
// and the outlet has taken the echo.
func (s *side) known(k *talk, names ...string) {
	s.t.Helper()
	k.knows(names...)
	s.taken(k)
}

// taken waits until the outlet has taken the last echo: then a record of an
// unknown room makes it ask.
func (s *side) taken(k *talk) {
	s.t.Helper()
	for {
		s.room("nobody's")
		m := k.next()
		if m.GetSync() == nil {
			k.answer(m)
			continue
		}
		k.echo(m.GetSync().GetN())
		s.wait(s.t, int(s.at))
		return
	}
}

// TestRoomOfNobody: a record of another room waits for an echo that was asked
// for after it was offered, and for no more.
func TestRoomOfNobody(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	before := s.spared(int(s.at))
	s.room("c")
	n := k.sync()
	s.room("d") // behind the Sync
	k.echo(n)
	again := k.sync()
	if again <= n {
		t.Errorf("Sync %d after %d", again, n)
	}
	if got := s.spared(int(s.at)-1) - before; got != 1 {
		t.Errorf("%d spared at the first echo, want 1", got)
	}
	k.echo(again)
	if got := s.spared(int(s.at)) - before; got != 2 {
		t.Errorf("%d spared at the second echo, want 2", got)
	}
	k.nothing()
	if got := s.counted("spared"); got != float64(before)+2 {
		t.Errorf("%v counted as spared, want %d", got, before+2)
	}
}

// TestJoinBeforeTheEcho: what is told before the echo counts.
func TestJoinBeforeTheEcho(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	s.room("c", "a") // a waits behind c: order holds
	n := k.sync()
	k.nothing()
	k.rooms(&cometpb.Rooms{Added: []string{"c"}})
	expect(t, k.batch(), "[c a]")
	k.echo(n)
	// c ends: one record more is asked about, not sent.
	k.rooms(&cometpb.Rooms{Removed: []string{"c"}})
	s.taken(k)
	s.room("c")
	k.echo(k.sync())
	s.wait(t, int(s.at))
	k.nothing()
}

// TestOtherLanesGoOn: while one partition waits for an echo, others do not.
func TestOtherLanesGoOn(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	s.room("c")
	n := k.sync()
	other := newOwner(1)
	s.o.Offer([]job.Delivery{other.delivery(0, &pushpb.Push{Id: "other", Kind: pushpb.Kind_KIND_ROOM, Room: "a"})})
	expect(t, k.batch(), "[other]")
	k.echo(n)
	s.wait(t, int(s.at))
}

// TestSparedBetweenOthers: what is spared leaves no gap in the order, and holds
// up no commit.
func TestSparedBetweenOthers(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a", "b")
	s.room("a")
	first := k.next() // in flight
	s.room("x", "b", "x", "a", "x")
	k.echo(k.sync())
	expect(t, k.answer(first), "[a]")
	expect(t, k.batch(), "[b a]")
	s.wait(t, int(s.at))
	k.nothing()
}

// TestBeforeTheSnapshotIsWhole: until the first echo behind it, the comet may
// have every room.
func TestBeforeTheSnapshotIsWhole(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	n := k.sync()
	s.room("x")
	expect(t, k.batch(), "[x]")
	k.rooms(&cometpb.Rooms{Snapshot: true, Added: []string{"a"}})
	s.room("x")
	expect(t, k.batch(), "[x]")
	k.echo(n)
	s.taken(k)
}

// TestCometWithoutFeed: one that tells no rooms gets everything, for ever.
func TestCometWithoutFeed(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	k.echo(k.sync())
	k.rooms(&cometpb.Rooms{Added: []string{"a"}}) // changes of nothing
	for range 3 {
		s.room("x")
		expect(t, k.batch(), "[x]")
	}
}

// TestAnotherSnapshot: a comet that begins anew is treated as new, until it has
// told all.
func TestAnotherSnapshot(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	s.room("c") // waits
	n := k.sync()
	k.rooms(&cometpb.Rooms{Snapshot: true})
	expect(t, k.batch(), "[c]")
	k.echo(n) // behind the snapshot's beginning, so that it is whole
	s.taken(k)
	s.room("a") // which is gone
	k.echo(k.sync())
	s.wait(t, int(s.at))
	k.rooms(&cometpb.Rooms{Snapshot: true, Added: []string{"d"}})
	k.echo(k.sync()) // none was under way: the outlet asks by itself
	s.taken(k)
	s.room("d")
	expect(t, k.batch(), "[d]")
}

// TestStreamBreaksBeforeTheEcho: what was to be decided by it is sent over the
// next stream, of which nothing is known yet.
func TestStreamBreaksBeforeTheEcho(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	s.room("c")
	k.sync()
	close(k.cut)
	k = s.comet.talk()
	k.sync()
	expect(t, k.batch(), "[c]")
	s.room("a", "c")
	eventually(t, "both are sent", func() bool { got := k.batch(); return got == "[a c]" || got == "[c]" })
}

// TestWithoutAStream: what is offered while there is none is sent when there is.
func TestWithoutAStream(t *testing.T) {
	s := newSide(t, dispatch.Config{})
	k := s.comet.talk()
	s.known(k, "a")
	s.comet.stop()
	eventually(t, "the stream is over", func() bool { alive, _ := s.o.Missing(0); return !alive })
	s.room("c")
	comet, addr := newTalker(t)
	s.o.Locate(addr)
	k = comet.talk()
	k.sync()
	expect(t, k.batch(), "[c]")
}

// TestLateEcho: a comet that owes an echo too long gets the record, and is
// asked again when it has answered.
func TestLateEcho(t *testing.T) {
	s := newSide(t, dispatch.Config{MaxEcho: 20 * time.Millisecond})
	k := s.comet.talk()
	s.known(k, "a")
	s.room("c")
	n := k.sync()
	expect(t, k.batch(), "[c]")
	s.room("d")
	expect(t, k.batch(), "[d]")
	k.echo(n)
	s.taken(k)
}

// TestEchoOfNothing: a comet that echoes what it was not asked is not believed.
func TestEchoOfNothing(t *testing.T) {
	for name, echoes := range map[string]func(n uint64) []uint64{
		"another number": func(n uint64) []uint64 { return []uint64{n + 1} },
		"twice":          func(n uint64) []uint64 { return []uint64{n, n} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSide(t, dispatch.Config{})
			k := s.comet.talk()
			for _, n := range echoes(k.sync()) {
				k.echo(n)
			}
			s.comet.talk() // another stream
		})
	}
}

// BenchmarkSnapshot takes a million rooms.
func BenchmarkSnapshot(b *testing.B) {
	const rooms, part = 1_000_000, 4096
	for b.Loop() {
		s := newSide(b, dispatch.Config{})
		k := s.comet.talk()
		n := k.sync()
		before := heap()
		start := time.Now()
		for i := 0; i < rooms; i += part {
			r := &cometpb.Rooms{Snapshot: i == 0}
			for j := range min(part, rooms-i) {
				r.Added = append(r.Added, fmt.Sprintf("live://room-%d", i+j))
			}
			k.rooms(r)
		}
		k.echo(n)
		s.taken(k)
		b.ReportMetric(time.Since(start).Seconds(), "s/snapshot")
		b.ReportMetric(float64(heap()-before)/rooms, "B/room")
		s.o.Close()
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
