package comet

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/pushpb"
)

func both(t *testing.T, run func(t *testing.T, engine string, ws bool)) {
	each(t, func(t *testing.T, engine string) {
		for name, web := range map[string]bool{"tcp": false, "ws": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, engine, web)
			})
		}
	})
}

func count(n int32) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(n)))
}

func TestEveryOp(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		r := open(t, engine, nil)
		p := r.dial(ws)
		p.auth("k1", "live://1", 1000, 1001)
		p.send(frame.OpHeartbeat, 2, "ignored")
		p.want(frame.OpHeartbeatReply, 2, count(1))
		p.send(frame.OpMessage, 3, "hello")
		p.want(frame.OpMessageReply, 3, "echo:hello")

		r.pushRoom("live://1", 1000, "to the room")
		p.want(1000, 0, "to the room")
		p.send(frame.OpChangeRoom, 4, "live://2")
		p.want(frame.OpChangeRoomReply, 4, "")
		if o := r.pushRoom("live://1", 1000, "to the old room"); o.Links != 0 {
			t.Fatalf("the old room still has %d links", o.Links)
		}
		r.pushRoom("live://2", 1000, "to the new room")
		p.want(1000, 0, "to the new room")

		r.pushRoom("live://2", 1002, "not wanted")
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"k1"}, Op: 1001, Body: []byte("behind it")})
		p.want(1001, 0, "behind it")
		p.send(frame.OpAddAccepts, 5, "1002,1003")
		p.want(frame.OpAddAcceptsReply, 5, "")
		r.pushRoom("live://2", 1002, "wanted now")
		p.want(1002, 0, "wanted now")
		p.send(frame.OpRemoveAccepts, 6, "1000")
		p.want(frame.OpRemoveAcceptsReply, 6, "")
		r.pushRoom("live://2", 1000, "not wanted any more")
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"k1"}, Op: 1000, Body: []byte("nor this")})
		if o := r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"k1", "k2"}, Op: 1001, Body: []byte("direct")}); o.Links != 1 || len(o.Missing) != 1 || o.Missing[0] != "k2" {
			t.Fatalf("outcome %+v", o)
		}
		p.want(1001, 0, "direct")
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Op: 1001, Body: []byte("to all")})
		p.want(1001, 0, "to all")

		p.send(frame.OpChangeRoom, 7, "")
		p.want(frame.OpChangeRoomReply, 7, "")
		p.send(frame.OpHeartbeat, 8, "")
		p.want(frame.OpHeartbeatReply, 8, count(0))
		r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KICK, Keys: []string{"k1"}, Epochs: []uint64{1 << 60}})
		p.wantEnd(ReasonKicked)
	})
}

// A link that is replaced ends; the new one lives, and the old one's goodbye
// does not take the new session away.
func TestReplaced(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		r := open(t, engine, nil)
		var last *peer
		for i := range 6 { // both loops take part
			p := r.dial(ws)
			p.auth("same", "live://1")
			if last != nil {
				last.wantEnd(ReasonReplaced)
			}
			until(t, "one link live", func() bool { return r.live() == 1 && r.logic.online() == 1 })
			r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"same"}, Op: 1000, Body: fmt.Append(nil, i)})
			p.want(1000, 0, fmt.Sprint(i))
			last = p
		}
	})
}

func (r *rig) live() (n int64) {
	for _, m := range r.meters {
		n += m.live.Load()
	}
	return n
}

// Frames behind the auth frame in one segment wait for the answer and are then
// handled in order.
func TestPipelined(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		r := open(t, engine, nil)
		hold := r.logic.pause()
		p := r.dial(ws)
		p.login(1, "k", "live://1")
		p.send(frame.OpChangeRoom, 2, "live://2")
		p.send(frame.OpHeartbeat, 3, "")
		close(hold)
		p.want(frame.OpAuthReply, 1, "")
		p.want(frame.OpChangeRoomReply, 2, "")
		p.want(frame.OpHeartbeatReply, 3, count(1))
	})
}

func TestReplayIsIgnored(t *testing.T) {
	r := open(t, "", nil)
	p := r.dial(false)
	p.auth("k", "live://1")
	r.pushRoom("live://1", 1000, "one")
	r.offset--
	if o := r.pushRoom("live://1", 1000, "one again"); !o.Replayed {
		t.Fatalf("outcome %+v", o)
	}
	own := &pushpb.Push{Id: "mine", OwnId: true, Kind: pushpb.Kind_KIND_ROOM, Room: "live://1", Op: 1000, Body: []byte("two")}
	r.push(own)
	if o := r.push(own); !o.Replayed {
		t.Fatalf("outcome of a retry with the pusher's id: %+v", o)
	}
	r.pushRoom("live://1", 1000, "three")
	for _, body := range []string{"one", "two", "three"} {
		p.want(1000, 0, body)
	}
}
