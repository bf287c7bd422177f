package comet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
)

// batch applies records as one batch, so that they wait together.
func (r *rig) batch(pushes ...*pushpb.Push) {
	r.t.Helper()
	records := make([]Record, len(pushes))
	for i, p := range pushes {
		r.offset++
		records[i] = Record{Offset: r.offset, Push: p}
	}
	if _, err := r.Apply(context.Background(), Partition{}, records); err != nil {
		r.t.Fatal(err)
	}
}

func inRoom(lane pushpb.Lane, body string) *pushpb.Push {
	return &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000, Body: []byte(body), Lane: lane}
}

// gaps reads up to the message that says "end", and returns what was told to be
// missing and the other messages.
func (p *peer) gaps() (told ledger.Counts, got []string) {
	p.t.Helper()
	for {
		f, err := p.next()
		if err != nil {
			p.t.Fatal(err)
		}
		if f.Op != frame.OpGap {
			if string(f.Body) == "end" {
				return told, got
			}
			got = append(got, string(f.Body[:min(len(f.Body), 10)]))
			continue
		}
		var g struct {
			Room, Lane string
			Skipped    uint64
		}
		if err := json.Unmarshal(f.Body, &g); err != nil {
			p.t.Fatal(err)
		}
		for lane := range ledger.Lanes {
			if ledger.LaneName(lane) == g.Lane {
				told[lane] += g.Skipped
			}
		}
	}
}

// When more waits for a room than may, ambient goes first, then chat; system
// does not go; what went is counted by lane, and told to those who want to know.
// In rooms of few and of many members, on either wire.
func TestLanes(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		for _, many := range []bool{false, true} {
			r := open(t, engine, func(c *Config) { c.Loops, c.Limits.Room.Pending = 1, 10<<10 })
			if many {
				r.crowd("live://1")
			}
			told, deaf := r.dial(web), r.dial(web)
			told.auth("told", "live://1", 1000, uint32(frame.OpGap))
			deaf.auth("deaf", "live://1")
			pad := strings.Repeat("x", 1000)
			var list []*pushpb.Push
			for i := range 10 {
				for lane := range pushpb.Lane(ledger.Lanes) {
					list = append(list, inRoom(lane, fmt.Sprint(int(lane), " ", i, pad)))
				}
			}
			list = append(list, inRoom(pushpb.Lane_LANE_SYSTEM, "end"))
			r.batch(list...)
			missing, got := told.gaps()
			if missing != (ledger.Counts{0, 10, 10, 10}) || len(got) != 10 {
				t.Fatalf("many %v: told of %v, got %q", many, missing, got)
			}
			for i, body := range got {
				if want := fmt.Sprint(0, " ", i, pad)[:10]; body != want {
					t.Errorf("message %d is %q, want %q", i, body, want)
				}
			}
			if missing, got := deaf.gaps(); missing.Total() != 0 || len(got) != 10 {
				t.Errorf("many %v: the other is told of %v, got %q", many, missing, got)
			}
			until(t, "the ledger adds up", func() bool {
				s := r.Sums()
				return s[ledger.Shed] == (ledger.Counts{0, 20, 20, 20}) && s[ledger.Delivered] == (ledger.Counts{22, 0, 0, 0})
			})
		}
	})
}

// Of those with one collapse key only the newest is sent, what is expired is
// not, and each is counted so.
func TestCollapseAndExpiry(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) { c.Loops = 1 })
		p := r.dial(web)
		p.auth("k", "live://1", 1000, uint32(frame.OpGap))
		var list []*pushpb.Push
		for i := range 20 {
			likes := inRoom(pushpb.Lane_LANE_AMBIENT, fmt.Sprint("likes ", i))
			likes.Collapse, likes.Id = "likes", "collapsing"
			list = append(list, likes, inRoom(pushpb.Lane_LANE_CHAT, fmt.Sprint("chat ", i)))
		}
		list = append(list, inRoom(pushpb.Lane_LANE_CHAT, "end"))
		r.batch(list...)
		missing, got := p.gaps()
		if missing.Total() != 0 || len(got) != 21 || got[19] != "likes 19" {
			t.Errorf("told of %v, got %q", missing, got)
		}
		until(t, "the ledger adds up", func() bool {
			s := r.Sums()
			return s[ledger.Collapsed] == (ledger.Counts{0, 0, 0, 19}) && s[ledger.Delivered] == (ledger.Counts{0, 0, 21, 1})
		})
		ends, slowest, ok := r.Fate("collapsing")
		if !ok || ends[ledger.Collapsed] != 19 || ends[ledger.Delivered] != 1 || slowest <= 0 {
			t.Errorf("fate %v, %v, %v", ends, slowest, ok)
		}
		dead := inRoom(pushpb.Lane_LANE_GIFT, "dead")
		dead.ExpiresUs = time.Now().Add(-time.Second).UnixMicro()
		r.batch(dead)
		if n := r.refusedPushes[DropExpired].Load(); n != 1 {
			t.Errorf("%d expired records, want 1", n)
		}
	})
}

// A push to all goes at its speed, evenly, and can be called off; what it had
// not come to is counted.
func TestBroadcastCanceled(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		const links = 40
		for i := range links {
			r.dial(i%2 == 0).auth(fmt.Sprint("k", i), "")
		}
		begun := time.Now()
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Id: "all", Op: 1000, Speed: 100, Lane: pushpb.Lane_LANE_CHAT})
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Id: "other", Op: 1001, Lane: pushpb.Lane_LANE_CHAT})
		until(t, "some have it", func() bool { ends, _, _ := r.Fate("all"); return ends[ledger.Delivered] >= 10 })
		if took := time.Since(begun); took < 50*time.Millisecond {
			t.Errorf("10 links at 100 a second took %v", took)
		}
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_CANCEL, Cancel: "all"})
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_CANCEL, Cancel: "never was"})
		until(t, "all has ended", func() bool {
			ends, _, _ := r.Fate("all")
			return ends[ledger.Delivered]+ends[ledger.Canceled] == links && ends[ledger.Canceled] > 0
		})
		until(t, "the other is delivered", func() bool { ends, _, _ := r.Fate("other"); return ends[ledger.Delivered] == links })
		sums := r.Sums()
		if n := sums[ledger.Delivered][ledger.Chat] + sums[ledger.Canceled][ledger.Chat]; n != 2*links {
			t.Errorf("%d ended, want %d: %v", n, 2*links, sums)
		}
	})
}

// A push to all that expires on its way is counted and told.
func TestBroadcastExpires(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, func(c *Config) { c.Loops = 1 })
		var peers []*peer
		for i := range 10 {
			p := r.dial(i%2 == 0)
			p.auth(fmt.Sprint("k", i), "", 1000, uint32(frame.OpGap))
			peers = append(peers, p)
		}
		r.push(&pushpb.Push{
			Kind: pushpb.Kind_KIND_ALL, Id: "all", Op: 1000, Speed: 10, Lane: pushpb.Lane_LANE_GIFT,
			ExpiresUs: time.Now().Add(300 * time.Millisecond).UnixMicro(),
		})
		got := 0
		for _, p := range peers {
			f, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case f.Op == 1000:
				got++
			case f.Op != frame.OpGap || string(f.Body) != `{"room":"","lane":"gift","skipped":1}`:
				t.Errorf("got op %d %q", f.Op, f.Body)
			}
		}
		ends, _, _ := r.Fate("all")
		if got == 0 || got == len(peers) || int(ends[ledger.Delivered]) != got || int(ends[ledger.Expired]) != len(peers)-got {
			t.Errorf("%d got it: %v", got, ends)
		}
	})
}

// A room's ledger adds up over its loops, and is empty for a room that nobody
// is in.
func TestRoomLedger(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		const links = 30
		for i := range links {
			r.dial(i%2 == 0).auth(fmt.Sprint("k", i), "live://1")
		}
		for i := range 50 {
			r.batch(inRoom(pushpb.Lane(i%ledger.Lanes), "x"))
		}
		until(t, "all is delivered", func() bool { return r.Ledger()["delivered"] == 50*links })
		l, err := r.RoomLedger(t.Context(), "live://1")
		if err != nil || !l.Known || l.Links != links || l.Pushed != (ledger.Counts{13, 13, 12, 12}) || l.Since.After(time.Now()) {
			t.Errorf("%+v, %v", l, err)
		}
		ended := l.Handed
		ended.Add(&l.Ends[ledger.Delivered], 1)
		if ended != (ledger.Counts{13 * links, 13 * links, 12 * links, 12 * links}) {
			t.Errorf("ended %v", ended)
		}
		if l, err := r.RoomLedger(t.Context(), "live://none"); err != nil || l.Known || l.Links != 0 {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
