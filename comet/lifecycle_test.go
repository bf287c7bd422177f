package comet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
)

// A drained comet tells every link when to come back, gives the sessions back
// and takes no new links, also those that were accepted at the last moment.
func TestDrain(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, nil)
		var peers []*peer
		for i := range 20 {
			p := r.dial(web)
			if i%4 != 0 {
				p.auth(fmt.Sprint("k", i), "live://1")
			}
			peers = append(peers, p)
		}
		until(t, "all are open", func() bool { return r.links.Load() == 20 })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained := make(chan error, 1)
		begun := time.Now()
		go func() { drained <- r.Drain(ctx, 300*time.Millisecond) }()
		advice := map[int]bool{}
		for _, p := range peers {
			f, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			var told struct {
				Reason string
				Retry  int `json:"retry_ms"`
			}
			if json.Unmarshal(f.Body, &told); told.Reason != "draining" || told.Retry < 2000 || told.Retry > 6000 {
				t.Fatalf("told %s", f.Body)
			}
			advice[told.Retry] = true
			p.Close()
		}
		if err := <-drained; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 200*time.Millisecond {
			t.Errorf("drained in %v, want it spread over the window", took)
		}
		if len(advice) < 5 {
			t.Errorf("only %d different advices: %v", len(advice), advice)
		}
		if err := r.Ready(ctx); err == nil {
			t.Error("ready although drained")
		}
		until(t, "sessions given back", func() bool { return r.logic.online() == 0 })
		if n := r.closedFor(ReasonDraining); n != 20 {
			t.Errorf("%d links ended as draining, want 20", n)
		}
	})
}

// A link that was accepted before the listeners closed, and opens after every
// other has been told to go, is told so too: Drain would wait for it.
func TestOpenWhileDraining(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		r.draining.Store(true)
		r.dial(false).wantEnd(ReasonDraining)
		until(t, "counted", func() bool { return r.closedFor(ReasonDraining) == 1 })
	})
}

// Stop ends while connects are under way and logic answers late: what it lets in
// then is given back, and nobody waits for a loop that is gone.
func TestStopWithAuthUnderWay(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, nil)
		live := r.dial(web)
		live.auth("live", "live://1")
		hold := r.logic.pauseAnswers()
		p := r.dial(web)
		p.login(1, "k", "live://1")
		until(t, "logged in at logic", func() bool { return r.logic.online() == 2 })
		stopped := make(chan error, 1)
		begun := time.Now()
		go func() { stopped <- r.Stop(context.Background()) }()
		until(t, "links are gone", func() bool { return r.links.Load() == 0 })
		close(hold)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if n := r.logic.online(); n != 0 {
			t.Errorf("%d sessions left", n)
		}
		if n := r.forgotten.Load(); n != 0 {
			t.Errorf("%d disconnects forgotten", n)
		}
	})
}

// While logic is away links stay and get their pushes, logins are answered as
// unavailable, and disconnects are kept until it is back.
func TestLogicAway(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Times.Sessions = 200 * time.Millisecond })
		leaver := s.dial(web)
		leaver.auth("leaver", "live://1")
		s.logic.fail(errors.New("away"))
		leaver.Close()
		p := s.dial(web)
		p.login(1, "k", "live://1")
		p.wantEnd(ReasonUnavailable)
		s.endedFor(ReasonUnavailable, 1)
		if n := s.logic.online(); n != 2 {
			t.Errorf("%d sessions, want the leaver's still there", n)
		}
		s.logic.fail(nil)
		until(t, "the disconnect is repeated", func() bool { return s.logic.online() == 1 })
		s.dial(web).auth("k", "live://1")
	})
}

func away() *tableLogic {
	l := newTableLogic()
	l.sick = errors.New("away")
	return l
}

// Before the comet is registered logins wait, and are answered as unavailable
// when they have waited too long; once it is registered they go through.
func TestLogicAwayAtStart(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := openWith(t, engine, away(), func(c *Config) {
			c.Times.Sessions, c.Times.Renew = 200*time.Millisecond, 50*time.Millisecond
		})
		if err := r.Ready(t.Context()); !errors.Is(err, ErrNoLease) {
			t.Errorf("Ready says %v", err)
		}
		p := r.dial(web)
		p.login(1, "k", "live://1")
		p.wantEnd(ReasonUnavailable)
		if n := r.logic.asked(); n != 0 {
			t.Errorf("logic was asked %d times", n)
		}
		r.logic.fail(nil)
		until(t, "ready", func() bool { return r.Ready(t.Context()) == nil })
		r.dial(web).auth("k", "live://1")
	})
}

// Two partitions are applied at once, each in its order, to the same link.
func TestPartitionsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, nil)
		p := r.dial(web)
		p.auth("k", "live://1")
		const each = 300
		var wg sync.WaitGroup
		for part := range int32(3) {
			wg.Go(func() {
				for i := range each {
					rec := Record{Offset: int64(i), Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000 + part, Body: fmt.Append(nil, i)}}
					if out, err := r.Apply(t.Context(), Partition{Number: part}, []Record{rec, rec}); err != nil || out[0].Links != 1 || !out[1].Replayed {
						t.Errorf("%+v, %v", out, err)
					}
				}
			})
		}
		next := map[frame.Op]int{}
		for range 3 * each {
			f, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(next[f.Op]); string(f.Body) != want {
				t.Fatalf("op %v: %s, want %s", f.Op, f.Body, want)
			}
			next[f.Op]++
		}
		wg.Wait()
	})
}

// The mark goes by leader epoch, then offset; a topic made anew starts again.
func TestMarks(t *testing.T) {
	r := open(t, "", nil)
	rows := []struct {
		p        Partition
		epoch    int32
		offset   int64
		replayed bool
	}{
		{Partition{}, 1, 10, false}, {Partition{}, 1, 10, true}, {Partition{}, 1, 9, true}, {Partition{}, 0, 11, true},
		{Partition{}, 2, 5, false}, {Partition{}, 1, 99, true}, {Partition{}, 2, 6, false},
		{Partition{Number: 1}, 0, 0, false}, {Partition{Topic: [16]byte{1}}, 0, 0, false},
	}
	for i, row := range rows {
		out, err := r.Apply(t.Context(), row.p, []Record{{LeaderEpoch: row.epoch, Offset: row.offset, Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Op: 1000}}})
		if err != nil || out[0].Replayed != row.replayed {
			t.Errorf("row %d: %+v, %v", i, out, err)
		}
	}
}

// Pushes that make no sense, are for another run of the comet, or too late.
func TestDroppedRecords(t *testing.T) {
	r := open(t, "", nil)
	room := func(p *pushpb.Push) *pushpb.Push { p.Kind, p.Room = pushpb.Kind_KIND_ROOM, "live://1"; return p }
	rows := []struct {
		push *pushpb.Push
		drop Drop
	}{
		{nil, DropInvalid}, {room(&pushpb.Push{Op: 99}), DropInvalid}, {room(&pushpb.Push{Op: -5}), DropInvalid},
		{&pushpb.Push{Op: 1000}, DropInvalid},
		{room(&pushpb.Push{Op: 1000, Server: "test@1"}), DropClosed},
		{room(&pushpb.Push{Op: 1000, ExpiresUs: 1}), DropExpired},
		{room(&pushpb.Push{Op: 1000, Server: string(r.ID()), ExpiresUs: time.Now().Add(time.Hour).UnixMicro()}), DropNone},
	}
	for i, row := range rows {
		if o := r.push(row.push); o.Drop != row.drop {
			t.Errorf("row %d: %+v, want drop %d", i, o, row.drop)
		}
	}
}

// Apply waits at the gate while a loop is behind, and gives up when the comet
// stops, not before.
func TestGate(t *testing.T) {
	g := newGate(100)
	if !g.enter(1000) { // one batch always fits
		t.Fatal("refused")
	}
	entered := make(chan bool)
	for range 2 {
		go func() { entered <- g.enter(60) }()
	}
	g.leave(1000)
	if !<-entered {
		t.Fatal("refused after relief")
	}
	select {
	case <-entered:
		t.Fatal("both entered")
	case <-time.After(10 * time.Millisecond):
	}
	g.close()
	if <-entered {
		t.Fatal("entered a closed gate")
	}
}

// A broadcast with a speed reaches each link once, in order with others, and
// nobody who came later.
func TestBroadcast(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) { c.Loops = 1 })
		var peers []*peer
		for i := range 30 {
			p := r.dial(web)
			p.auth(fmt.Sprint("k", i), "", 1000)
			peers = append(peers, p)
		}
		all := func(op int32, speed int64, body string) {
			if o := r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Op: op, Speed: speed, Body: []byte(body)}); o.Links != 30 {
				t.Fatalf("outcome %+v", o)
			}
		}
		begun := time.Now()
		all(1000, 100, "slow")
		all(1000, 0, "quick")
		all(1001, 0, "not wanted")
		last := peers[29]
		peers[0].want(1000, 0, "slow") // so the broadcast has begun
		peers[5].Close()
		late := r.dial(web)
		late.auth("late", "", 1000)
		for i, p := range peers {
			if i == 5 {
				continue
			}
			if i > 0 {
				p.want(1000, 0, "slow")
			}
			p.want(1000, 0, "quick")
		}
		if took := time.Since(begun); took < 200*time.Millisecond {
			t.Errorf("30 links at 100 a second took %v", took)
		}
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"late", "k29"}, Op: 1000, Body: []byte("end")})
		late.want(1000, 0, "end")
		last.want(1000, 0, "end")
	})
}

// A kick spares a login that is newer than it knows of.
func TestKickEpochs(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		p := s.dial(web)
		p.auth("k", "live://1")
		kick := &pushpb.Push{Kind: pushpb.Kind_KIND_KICK, Keys: []string{"k", "nobody"}, Epochs: []uint64{s.logic.epochOf("k") - 1, 5}}
		if o := s.push(kick); len(o.Missing) != 1 {
			t.Fatalf("outcome %+v", o)
		}
		s.pushRoom("live://1", 1000, "spared")
		p.want(1000, 0, "spared")
		kick.Epochs[0]++
		s.push(kick)
		p.wantEnd(ReasonKicked)
		s.endedFor(ReasonKicked, 1)
	})
}

// Client messages under way are bounded; one too many is answered, and neither
// its link nor another's ends.
func TestTooManyMessages(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		hold := s.logic.pauseMessages()
		p := s.dial(web)
		p.auth("k", "live://1")
		for seq := range uint32(askedMost + 3) {
			p.send(frame.OpMessage, seq, "m")
		}
		for seq := range uint32(3) {
			p.want(frame.OpMessageReply, askedMost+seq, notTaken)
		}
		close(hold)
		got := map[uint32]bool{}
		for range askedMost {
			f, err := p.next()
			if err != nil || string(f.Body) != "echo:m" || got[f.Seq] {
				t.Fatalf("%+v, %v", f, err)
			}
			got[f.Seq] = true
		}
		s.undisturbed()
	})
}
