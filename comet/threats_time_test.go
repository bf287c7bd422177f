package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
	"github.com/oortim/oort/proto/ws"
)

// drip writes wire a byte at a time until the link takes no more, and then
// starts again.
func (p *peer) drip(wire string) {
	go func() {
		for i := 0; ; i = (i + 1) % len(wire) {
			if !p.write(wire[i : i+1]) {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func (p *peer) write(s string) bool {
	_, err := p.Write([]byte(s))
	return err == nil
}

// From accept to authenticated there is one deadline, which no byte renews.
// Defence: deadline() counts from r.born while the link is not live.
func TestThreatSlowloris(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) { c.Times.Handshake = 300 * time.Millisecond })
		long := strings.Repeat("x", 900)
		dripped := string(frame.AppendHeader(nil, frame.OpAuth, 1, 1000)) + long
		victims := map[string]func() *peer{
			"silent":            func() *peer { return s.dial(false) },
			"silent websocket":  func() *peer { return s.dial(true) },
			"dripped frame":     func() *peer { p := s.dial(false); p.drip(dripped); return p },
			"dripped websocket": func() *peer { p := s.dial(true); p.drip(masked(2, true, []byte(dripped+"y"))); return p },
		}
		victims["pings"] = func() *peer {
			p := s.dial(true)
			go func() {
				for p.write(masked(ws.OpPing, true, nil)) {
					time.Sleep(20 * time.Millisecond)
				}
			}()
			return p
		}
		n := uint64(0)
		for name, attack := range victims {
			begun := time.Now()
			attack().wantEnd(ReasonHandshakeTimeout)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("%s: ended after %v", name, took)
			}
			n++
			s.endedFor(ReasonHandshakeTimeout, n)
		}
		p := s.bare(s.WSAddr()) // nobody to tell: it speaks neither protocol yet
		p.drip("GET /sub HTTP/1.1\r\nHost: x\r\nX: " + long)
		p.wantSilence()
		s.endedFor(ReasonHandshakeTimeout, n+1)
	})
}

// Nor does an answer of logic that never comes. The late one is given back.
// Defence: asking has young's deadline; connected() forgets the session.
func TestThreatAuthUnderWay(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Times.Handshake = time.Second })
		hold := s.logic.pause()
		p := s.dial(web)
		p.login(1, "late", "live://1")
		p.wantEnd(ReasonHandshakeTimeout)
		s.endedFor(ReasonHandshakeTimeout, 1)

		q := s.dial(web) // and one that leaves while it waits
		q.login(1, "gone", "live://1")
		until(t, "both are asked for", func() bool { return s.logic.asked() == 3 })
		q.Close()
		close(hold)
		until(t, "both sessions made", func() bool { return s.logic.epochOf("late") > 0 && s.logic.epochOf("gone") > 0 })
		until(t, "both sessions given back", func() bool { return s.logic.online() == 1 })
		if n := s.rooms.Load(); n != 1 {
			t.Errorf("%d rooms, want the neighbour's only", n)
		}
		if o := s.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"late", "gone"}, Op: 1000}); len(o.Missing) != 2 {
			t.Errorf("outcome %+v, want both keys missing", o)
		}
		s.undisturbed()
	})
}

// A live link that says nothing is ended, one that beats is not.
// Defence: deadline() with r.heard, looked at when the wheel fires.
func TestThreatDeadLinks(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) { c.Loops, c.Times.Heartbeat = 1, 400*time.Millisecond })
		silent, beating := r.dial(web), r.dial(web)
		silent.auth("silent", "live://1")
		beating.auth("beating", "live://1")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			silent.wantEnd(ReasonHeartbeatTimeout)
		}()
		beat := time.NewTicker(50 * time.Millisecond)
		defer beat.Stop()
		for seq := uint32(1); ; seq++ {
			select {
			case <-ended:
				until(t, "counted", func() bool { return r.closedFor(ReasonHeartbeatTimeout) == 1 })
				beating.send(frame.OpHeartbeat, 9999, "")
				for f, err := beating.next(); f.Seq != 9999; f, err = beating.next() {
					if err != nil {
						t.Fatal(err)
					}
				}
				return
			case <-beat.C:
				beating.send(frame.OpHeartbeat, seq, "")
			}
		}
	})
}

// A slow consumer of a room: its memory is a ring, what it missed is counted
// and told, the others get everything.
// Defence: keep()'s bound on the ring; skip() counts and marks.
func TestThreatSlowInRoom(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Loops, c.Limits.Room.Ring = 1, 256<<10 })
		s.crowd("live://1")
		slow, quick := s.cramped(web), s.dial(web)
		slow.auth("slow", "live://1", 1000, uint32(frame.OpGap))
		quick.auth("quick", "live://1")
		const pushed = 1000
		pad := strings.Repeat("x", 16<<10)
		for i := range pushed {
			body := fmt.Sprint(i, pad)
			s.pushRoom("live://1", 1000, body)
			quick.want(1000, 0, body)
		}
		got, told := uint64(0), uint64(0)
		for next := uint64(0); next < pushed; {
			f, err := slow.next()
			if err != nil {
				t.Fatalf("after %d messages: %v", got, err)
			}
			if f.Op == frame.OpGap {
				var n uint64
				fmt.Sscanf(string(f.Body), `{"room":"live://1","lane":"chat","skipped":%d}`, &n)
				told, next = told+n, next+n
				continue
			}
			if want := fmt.Sprint(next, pad); string(f.Body) != want {
				t.Fatalf("message %.10q… after %d, want %.10q…", f.Body, next, want)
			}
			got, next = got+1, next+1
		}
		if told == 0 {
			t.Fatal("nothing was skipped: the test is too weak")
		}
		s.undisturbed()
		until(t, "the ledger adds up", func() bool {
			l := s.Ledger()
			return l["slow"] == told && l["delivered"] == pushed+got+uint64(s.pushes)
		})
	})
}

// A slow consumer of direct pushes: bounded by its outbox, counted and told.
// Defence: the comparison in enqueue; outbox.missed.
func TestThreatSlowDirect(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		slow := s.cramped(web)
		slow.auth("slow", "", 1000, uint32(frame.OpGap))
		body := strings.Repeat("x", 16<<10)
		pushed := uint64(0)
		for s.Ledger()["full"] < 100 {
			o := s.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"slow", "neighbour"}, Op: 1000, Body: []byte(body), Lane: pushpb.Lane_LANE_GIFT})
			if o.Links != 2 {
				t.Fatalf("outcome %+v", o)
			}
			s.neighbour.want(1000, 0, body)
			pushed++
		}
		got, told := uint64(0), uint64(0)
		for got+told < pushed {
			f, err := slow.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.Op == frame.OpGap {
				fmt.Sscanf(string(f.Body), `{"room":"","lane":"gift","skipped":%d}`, &told)
			} else {
				got++
			}
		}
		until(t, "the ledger adds up", func() bool {
			l := s.Ledger()
			return l["full"] == told && l["delivered"] == pushed+got
		})
		s.undisturbed()
	})
}

// Who takes nothing at all for the write timeout is ended, also when nothing is
// sent any more. Defence: deadline() with r.stuck, and rearm in stall.
func TestThreatNeverReads(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) {
			c.Times.Write, c.Limits.Room.Pending = 300*time.Millisecond, 64<<20
		})
		room, direct := s.cramped(web), s.cramped(web)
		room.auth("room", "live://1")
		direct.auth("direct", "")
		body := make([]byte, 32<<10)
		s.pushUntilStuck(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"direct"}, Op: 1000, Body: body})
		s.pushUntilStuck(&pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000, Body: body})
		s.endedFor(ReasonSlow, 2)
		until(t, "sessions given back", func() bool { return s.logic.online() == 1 })
		l := s.Ledger()
		if l["closed"] == 0 {
			t.Errorf("ledger %v: nothing was lost by closing", l)
		}
	})
}

// A write deadline counts also if the write that began it was the last thing that
// happened on the loop: rooms and broadcasts write at the end of a turn, when
// nothing else is left to do. Defence: OnTurn asks the wheel last.
func TestThreatNeverReadsTheLastPush(t *testing.T) {
	for name, p := range map[string]*pushpb.Push{
		"room": {Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000},
		"all":  {Kind: pushpb.Kind_KIND_ALL, Op: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, engine string, web bool) {
				s := open(t, engine, func(c *Config) { c.Loops, c.Times.Write = 1, 300*time.Millisecond })
				s.cramped(web).auth("slow", "live://1")
				push := proto.CloneOf(p)
				push.Body = make([]byte, 6<<20) // more than any socket's buffers hold
				s.push(push)
				until(t, "it is ended", func() bool { return s.closedFor(ReasonSlow) == 1 })
			})
		})
	}
}

// pushUntilStuck pushes more than any socket's buffers hold.
func (s *siege) pushUntilStuck(p *pushpb.Push) {
	for range 400 {
		s.push(p)
	}
}
