package comet

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
)

// Names that are no room end the link; the names next to the border do not.
// Defence: ident.ParseRoom in changeRoom.
func TestThreatRoomNames(t *testing.T) {
	long := strings.Repeat("x", 64)
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		good := s.dial(web)
		good.auth("good", "")
		for i, name := range []string{"a://1", "a_-9://A.b:c_-", strings.Repeat("t", 32) + "://" + long} {
			good.send(frame.OpChangeRoom, uint32(i), name)
			good.want(frame.OpChangeRoomReply, uint32(i), "")
		}
		for i, name := range []string{
			"live", "live:/1", "://1", "live://", "LIVE://1", "live://1\r\nPING", "live://{1}", "live://1 2", "live://1\x00",
			"live://*", "live://ü", strings.Repeat("t", 33) + "://1", "a://" + long + "x", `a://","x":"`, "a://b://c/", "\xff\xfe://1",
		} {
			p := s.dial(web)
			p.auth("k", "live://1")
			p.send(frame.OpChangeRoom, 1, name)
			p.wantEnd(ReasonBadRoom)
			s.endedFor(ReasonBadRoom, uint64(i+1))
		}
	})
}

// The number of rooms is bounded in all, an empty one is freed at once, and a
// link is in one room only.
// Defence: the comparison in joinRoom; census.leave and Table.drop.
func TestThreatRoomsWithoutEnd(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) {
			c.Limits.Rooms, c.Limits.Rate, c.Limits.Burst = 3, 10_000, 60_000
		})
		p := s.dial(web)
		p.auth("k", "")
		for i := range uint32(300) {
			p.send(frame.OpChangeRoom, i, fmt.Sprint("live://", i))
			p.want(frame.OpChangeRoomReply, i, "")
		}
		if n := s.rooms.Load(); n != 2 {
			t.Errorf("%d rooms, want 2", n)
		}
		q := s.dial(web)
		q.auth("q", "live://q")
		over := s.dial(web)
		over.auth("over", "live://q") // a room that is there has place
		over.send(frame.OpChangeRoom, 1, "live://more")
		over.wantEnd(ReasonOverloaded)
		s.endedFor(ReasonOverloaded, 1)
		refused := s.dial(web)
		refused.login(1, "refused", "live://fifth")
		refused.wantEnd(ReasonOverloaded)
		s.endedFor(ReasonOverloaded, 2)
		p.Close()
		until(t, "the room is freed", func() bool { return s.rooms.Load() == 2 })
	})
}

// One room's members are bounded where the operator wants it, at login and at a
// change; who leaves makes place.
// Defence: the comparison in census.join.
func TestThreatRoomWithoutEnd(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Members = 2 })
		first, second := s.dial(web), s.dial(web)
		first.auth("a", "live://1")
		second.auth("b", "live://1")
		refused := s.dial(web)
		refused.login(1, "c", "live://1")
		refused.wantEnd(ReasonRoomFull)
		other := s.dial(web)
		other.auth("d", "live://2") // another room has place
		other.send(frame.OpChangeRoom, 1, "live://1")
		other.wantEnd(ReasonRoomFull)
		s.endedFor(ReasonRoomFull, 2)
		second.send(frame.OpChangeRoom, 1, "live://1") // its own room
		second.want(frame.OpChangeRoomReply, 1, "")
		second.send(frame.OpChangeRoom, 2, "")
		second.want(frame.OpChangeRoomReply, 2, "")
		third := s.dial(web)
		third.auth("e", "live://1")
	})
}

// A list of accepts is bounded and must be numbers.
// Defence: parseOps, and the comparison with Limits.Accepts.
func TestThreatAccepts(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Accepts = 8 })
		rows := map[string]Reason{
			"": ReasonBadFrame, "x": ReasonBadFrame, "1,,2": ReasonBadFrame, "-1": ReasonBadFrame, "1.5": ReasonBadFrame,
			"99999999999": ReasonBadFrame, "1,2,3,4,5,6,7,8,9": ReasonBadFrame, "8,9": ReasonOverloaded,
		}
		n := map[Reason]uint64{}
		for body, why := range rows {
			p := s.dial(web)
			p.auth("k", "live://1", 1, 2, 3, 4, 5, 6, 7)
			p.send(frame.OpAddAccepts, 1, body)
			p.wantEnd(why)
			n[why]++
			s.endedFor(why, n[why])
		}
	})
}

// Of two logins of a key at the same moment, on whichever loops, exactly one
// lives: the one that logic let in last.
// Defence: directory.put compares epochs under its lock.
func TestThreatTwoLogins(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) { c.Times.Linger = 10 * time.Millisecond })
		for round := range 12 {
			peers := []*peer{r.dial(web), r.dial(web), r.dial(!web)}
			var wg sync.WaitGroup
			for _, p := range peers {
				wg.Go(func() { p.login(1, "same", "live://1") })
			}
			wg.Wait()
			until(t, "one is left", func() bool {
				return r.closedFor(ReasonReplaced) == uint64(2*(round+1)) && r.live() == 1 && r.logic.online() == 1
			})
			if o := r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"same"}, Op: 1000, Body: []byte("hi")}); o.Links != 1 {
				t.Fatalf("round %d: outcome %+v", round, o)
			}
			for _, p := range peers {
				p.Close()
			}
			until(t, "all are gone", func() bool { return r.links.Load() == 0 && r.logic.online() == 0 })
		}
	})
}

// A login that logic answered before the key's kick, but which comes later,
// does not live. Defence: directory.bar.
func TestThreatLoginAfterItsKick(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		hold := s.logic.pauseAnswers()
		p := s.dial(web)
		p.login(1, "k", "live://1")
		until(t, "logged in at logic", func() bool { return s.logic.online() == 2 })
		o := s.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KICK, Keys: []string{"k"}, Epochs: []uint64{s.logic.epochOf("k")}, Reason: "replaced"})
		if len(o.Missing) != 1 {
			t.Fatalf("outcome %+v, want the key missing yet", o)
		}
		close(hold)
		p.wantEnd(ReasonReplaced)
		s.endedFor(ReasonReplaced, 1)
		s.logic.answerAtOnce()
		again := s.dial(web)
		again.auth("k", "live://1")
	})
}
