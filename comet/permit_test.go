package comet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
)

const deniedBody = `{"error":"denied"}`

func (p *peer) authWith(key, room string, may ident.Permission) {
	p.t.Helper()
	body, _ := json.Marshal(authBody{Mid: 7, Key: key, Room: room, Rooms: may})
	p.send(frame.OpAuth, 1, string(body))
	p.want(frame.OpAuthReply, 1, "")
}

// A change to a room that the credentials do not name is refused, and the link
// stays where it is: it gets what is pushed to its room and nothing of the other.
func TestRoomDenied(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		r := open(t, engine, nil)
		p := r.dial(ws)
		p.authWith("k", "live://1", ident.Permission{"live://*", "chat://lobby"})
		for i, step := range []struct {
			to, in string // where it wants to go, where it is then
			reply  string
		}{
			{"vip://1", "live://1", deniedBody},
			{"chat://lobby2", "live://1", deniedBody},
			{"live://2", "live://2", ""},
			{"vip://1", "live://2", deniedBody},
			{"chat://lobby", "chat://lobby", ""},
			{"", "", ""}, // to be nowhere is always allowed
			{"vip://1", "", deniedBody},
			{"live://3", "live://3", ""},
		} {
			seq := uint32(2 + i)
			p.send(frame.OpChangeRoom, seq, step.to)
			p.want(frame.OpChangeRoomReply, seq, step.reply)
			if o := r.pushRoom("vip://1", 1000, "not for it"); o.Links != 0 {
				t.Fatalf("step %d: it is in a room that it may not join", i)
			}
			if step.in == "" {
				continue
			}
			if o := r.pushRoom(step.in, 1000, fmt.Sprint("step ", i)); o.Links != 1 {
				t.Fatalf("step %d: it is not in %s", i, step.in)
			}
			p.want(1000, 0, fmt.Sprint("step ", i))
		}
		denied := uint64(0)
		for _, m := range r.meters {
			denied += m.forbidden.Load()
		}
		if denied != 4 {
			t.Errorf("%d changes counted as denied, want 4", denied)
		}
	})
}

// No list means any room, an empty one none; and each login of a key has the
// rooms of its own credentials.
func TestRoomsOfEachLogin(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		for i, tc := range []struct {
			may   ident.Permission
			reply string
		}{
			{nil, ""}, {ident.Permission{}, deniedBody}, {ident.Permission{"*"}, ""}, {ident.Permission{"a://1"}, deniedBody}, {nil, ""},
		} {
			p := r.dial(i%2 == 0)
			p.authWith("same", "", tc.may)
			p.send(frame.OpChangeRoom, 2, "live://1")
			p.want(frame.OpChangeRoomReply, 2, tc.reply)
		}
	})
}

// A flood of refused changes costs the link its allowance as other changes do.
func TestDeniedChangesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, nil)
		p := r.dial(false)
		p.authWith("k", "", ident.Permission{})
		p.raw(strings.Repeat(string(frame.Append(nil, frame.OpChangeRoom, 1, []byte("a://1"))), 500))
		p.wantEnd(ReasonFlood)
	})
}

// After the store has lost everything and what is held here was written again,
// a link may still join only its own rooms.
func TestPermissionOutlivesMending(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		p := r.dial(false)
		p.authWith("k", "live://1", ident.Permission{"live://*"})
		r.logic.mu.Lock()
		clear(r.logic.sessions)
		clear(r.logic.epochs)
		r.logic.mu.Unlock()
		until(t, "the session is known again", func() bool { return r.logic.online() == 1 && r.whole() })
		p.send(frame.OpChangeRoom, 2, "vip://1")
		p.want(frame.OpChangeRoomReply, 2, deniedBody)
		p.send(frame.OpChangeRoom, 3, "live://2")
		p.want(frame.OpChangeRoomReply, 3, "")
	})
}

// Equal lists are there once, whatever their order; what nobody needs is
// forgotten; and the list of one link is not the caller's to change.
func TestPermits(t *testing.T) {
	p := newPermits()
	list := ident.Permission{"b://*", "a://1"}
	x, y := p.intern(list), p.intern(ident.Permission{"a://1", "b://*", "a://1"})
	list[0] = "*"
	none, other := p.intern(ident.Permission{}), p.intern(ident.Permission{"a://1b://*"})
	if p.intern(nil) != 0 || x == 0 || x != y || none == 0 || none == x || other == x {
		t.Errorf("numbers %d %d %d %d", x, y, none, other)
	}
	if may := p.of(x); !may.Allows("b://2") || may.Allows("c://1") {
		t.Errorf("%d is %q", x, may)
	}
	if p.of(none).Allows("a://1") || !p.of(0).Allows("a://1") {
		t.Error("none allows, or any does not")
	}
	for _, m := range []permit{x, y, none, other, 0} {
		p.release(m)
	}
	if n := p.table.Len(); n != 0 {
		t.Errorf("%d permissions are kept", n)
	}
}
