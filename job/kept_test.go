package job_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/pushpb"
)

// takes hands pushes to p, from offset on.
func (b *bench) takes(p job.Partition, offset int64, pushes ...*pushpb.Push) {
	b.t.Helper()
	if err := p.Take(b.t.Context(), records(offset, pushes...)); err != nil {
		b.t.Fatal(err)
	}
}

// wants waits until what a comet was offered and has not answered is that.
func (b *bench) wants(server job.ServerID, want string) {
	b.t.Helper()
	got := ""
	eventually(b.t, fmt.Sprintf("%s is offered %s", server, want), func() bool {
		if o := b.outlet(server); o != nil {
			got = fmt.Sprint(o.ids())
		}
		return got == want
	})
}

func keysPush(id, server string) *pushpb.Push {
	return &pushpb.Push{Id: id, Kind: pushpb.Kind_KIND_KEYS, Server: server, Keys: []string{"k"}}
}

// TestOldList: what is read while the list is old goes to the comets that it
// names at once, and to those that the next one names anew, in order and each
// once.
func TestOldList(t *testing.T) {
	b := newBench(t, "a")
	p := b.open(job.TopicID{}, 0)
	b.takes(p, 0, roomPush("0"))
	b.dir.Away(true)
	b.tick(fresh)
	b.takes(p, 1, roomPush("1")) // just not too old
	b.tick(time.Microsecond)
	b.takes(p, 2, roomPush("2"), keysPush("3", "c"), &pushpb.Push{Id: "4", Kind: pushpb.Kind_KIND_ALL, Speed: 10}, keysPush("5", "a"), keysPush("6", "c"))
	b.wants("a", "[0 1 2 4 5]")
	b.wants("c", "[]")
	for range 5 {
		b.outlet("a").answer(0, job.Outcome{})
	}
	if last, _ := p.Finished(); last.Offset != 1 {
		t.Errorf("finished up to %d, want 1: a comet that nobody has heard of may need what follows", last.Offset)
	}
	b.list("a", "b", "c")
	b.dir.Away(false)
	b.wants("b", "[2 4]")
	b.wants("c", "[2 3 4 6]")
	b.wants("a", "[]")
	if got := b.outlet("b").got[1].Push.Speed; got != 3 {
		t.Errorf("speed %d for one of three comets that share 10, want 3", got)
	}
	b.takes(p, 7, roomPush("7"))
	b.wants("b", "[2 4 7]")
	for _, server := range []job.ServerID{"a", "b", "c"} {
		for o := b.outlet(server); len(o.ids()) > 0; {
			if last, _ := p.Finished(); last.Offset == 7 {
				t.Fatalf("finished, though %s has not answered", server)
			}
			o.answer(0, job.Outcome{})
		}
	}
	if last, _ := p.Finished(); last.Offset != 7 {
		t.Errorf("finished up to %d, want 7", last.Offset)
	}
}

// TestOldListNamesNobody: a list that names no more comets finishes what waited
// for it, also in a partition that drains.
func TestOldListNamesNobody(t *testing.T) {
	b := newBench(t, "a")
	p := b.open(job.TopicID{}, 0)
	b.dir.Away(true)
	b.tick(time.Hour)
	b.takes(p, 0, roomPush("0"))
	b.outlet("a").answer(0, job.Outcome{})
	b.dir.Away(false)
	if err := p.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if got := b.dropped(job.ReasonUnknown); got != 0 {
		t.Errorf("%v counted as unknown", got)
	}
}

// TestOldListForTooLong: what waits for a list too long, or is too much, is
// given up, and counted.
func TestOldListForTooLong(t *testing.T) {
	b := newBench(t, "a")
	p := b.open(job.TopicID{}, 0)
	b.dir.Away(true)
	b.tick(time.Hour)
	b.takes(p, 0, roomPush("0"), keysPush("1", "c"))
	large := records(2, roomPush("2"), roomPush("3"))
	large[0].Bytes, large[1].Bytes = 20<<20, 20<<20
	if err := p.Take(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if got := b.dropped(job.ReasonUnknown); got != 3 {
		t.Errorf("%v given up for their bytes, want 3", got)
	}
	b.tick(31 * time.Second)
	eventually(t, "the last is given up", func() bool { return b.dropped(job.ReasonUnknown) == 4 })
	for range 3 {
		b.outlet("a").answer(0, job.Outcome{})
	}
	if last, _ := p.Finished(); last.Offset != 3 {
		t.Errorf("finished up to %d, want 3", last.Offset)
	}
}

// TestOldListAndRevoked: what was kept of a partition that goes is nobody's.
func TestOldListAndRevoked(t *testing.T) {
	b := newBench(t, "a")
	p, q := b.open(job.TopicID{}, 0), b.open(job.TopicID{}, 1)
	b.dir.Away(true)
	b.tick(time.Hour)
	b.takes(p, 0, roomPush("p"))
	b.takes(q, 0, roomPush("q"))
	p.Close()
	b.list("a", "b")
	b.dir.Away(false)
	b.wants("b", "[q]")
}
