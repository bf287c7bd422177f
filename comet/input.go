package comet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/comet/wheel"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// OnData takes one event after the other from what came. It stops while an
// authentication is under way: what follows the auth frame waits.
func (b *bucket) OnData(id poller.ID, in []byte) (used int) {
	r := b.at(id)
	if r == nil {
		return len(in)
	}
	for used < len(in) && (r.state == young || r.state == live) {
		ev, n, err := r.dec.Next(in[used:], id.Slot, &b.s.decode, &b.parts)
		if err != nil {
			b.refuse(r, err)
			break
		}
		if n == 0 {
			if r.state == young && int(r.auth)+len(in)-used > b.s.cfg.Limits.Early {
				b.end(r, ReasonEarlyBytes)
			}
			break
		}
		used += n
		b.event(r, &ev, n)
	}
	if r.state == leaving {
		return len(in)
	}
	return used
}

// refuse ends a link that sent nonsense.
func (b *bucket) refuse(r *record, err error) {
	var bad *ws.RejectError
	if errors.As(err, &bad) {
		b.reject(r, bad)
		return
	}
	why, code := badInput(err)
	if code == 0 {
		code = why.closeCode()
	}
	b.endWith(r, why, code, b.retry(why))
}

// reject answers a bad upgrade in HTTP.
func (b *bucket) reject(r *record, bad *ws.RejectError) {
	b.send(r, ws.AppendReject(nil, bad))
	b.endWith(r, ReasonBadUpgrade, 0, 0)
}

func (b *bucket) event(r *record, ev *link.Event, n int) {
	if r.state == young {
		if r.auth += uint32(n); int(r.auth) > b.s.cfg.Limits.Early {
			b.end(r, ReasonEarlyBytes)
			return
		}
	}
	switch ev.Kind {
	case link.Proxied:
		b.proxied(r, ev)
	case link.Upgrade:
		b.upgrade(r, &ev.Request)
	case link.Ping:
		if b.spend(r, 1) {
			b.pong(r, ev.Payload)
		}
	case link.Close:
		b.closing(r, ev.Payload)
	case link.Frame:
		b.frame(r, &ev.Frame)
	case link.None:
		b.spend(r, 1)
	}
}

func (b *bucket) proxied(r *record, ev *link.Event) {
	if !ev.Proxy.Local && ev.Proxy.Src.IsValid() {
		r.setSource(ev.Proxy.Src.Addr())
	}
	if !b.admit(r) {
		b.end(r, ReasonSourceLimit)
	}
}

// subPath is where goim's clients ask for the WebSocket.
const subPath = "/sub"

func (b *bucket) upgrade(r *record, q *ws.Request) {
	path, _, _ := strings.Cut(q.Target, "?")
	switch {
	case path != subPath:
		b.reject(r, &ws.RejectError{Status: 404, Reason: "no such path"})
		return
	case !b.s.originAllowed(q):
		b.reject(r, &ws.RejectError{Status: 403, Reason: "origin not allowed"})
		return
	}
	r.enc = room.WebSocket
	b.buf = ws.AppendAccept(b.buf[:0], q)
	b.send(r, b.buf)
	if q.HasOrigin {
		b.origins[r.id.Slot] = q.Origin
	}
}

// pong answers a ping, but only where the socket takes it at once: RFC 6455
// 5.5.3 asks for the most recent only.
func (b *bucket) pong(r *record, payload []byte) {
	if r.stalled || r.hasOut {
		return
	}
	b.buf = ws.AppendFrame(b.buf[:0], ws.OpPong, payload)
	b.send(r, b.buf)
}

// closing answers a client's close frame with the same code.
func (b *bucket) closing(r *record, payload []byte) {
	code := uint16(1000)
	if len(payload) >= 2 {
		code = binary.BigEndian.Uint16(payload)
	}
	b.endWith(r, ReasonPeer, code, 0)
}

// spend takes n frames from the link's allowance; false, and the link's end, if it
// has none left.
func (b *bucket) spend(r *record, n uint32) bool {
	now := b.tick()
	more := uint64(now-r.heard) * uint64(b.s.cfg.Limits.Rate) * uint64(wheel.Tick/tokenTime)
	r.tokens = uint32(min(uint64(r.tokens)+more, uint64(b.s.cfg.Limits.Burst)*tokensAFrame))
	r.heard = now
	if r.tokens < n*tokensAFrame {
		b.end(r, ReasonFlood)
		return false
	}
	r.tokens -= n * tokensAFrame
	return true
}

// A frame costs a thousand tokens, so that a link gets as many of them each
// millisecond as its rate has frames a second, and refilling rounds nothing.
const (
	tokensAFrame = 1000
	tokenTime    = time.Second / tokensAFrame
)

// frame handles one frame of the client.
func (b *bucket) frame(r *record, f *frame.Frame) {
	if r.state == young {
		if f.Op != frame.OpAuth {
			b.end(r, ReasonUnexpectedOp)
			return
		}
		b.ask(r, f)
		return
	}
	switch f.Op {
	case frame.OpHeartbeat:
		if b.spend(r, 1) {
			b.heartbeat(r, f.Seq)
		}
	case frame.OpMessage:
		if b.spend(r, 1) {
			b.message(r, f)
		}
	case frame.OpChangeRoom:
		if b.spend(r, 5) {
			b.changeRoom(r, f)
		}
	case frame.OpAddAccepts, frame.OpRemoveAccepts:
		if b.spend(r, 5) {
			b.changeAccepts(r, f)
		}
	default:
		b.end(r, ReasonUnexpectedOp)
	}
}

// answer replies to a request with its seq.
func (b *bucket) answer(r *record, op frame.Op, seq uint32, body []byte) {
	var small [256]byte
	b.reply(r, frame.Append(small[:0], op, seq, body))
}

func (b *bucket) heartbeat(r *record, seq uint32) {
	var body [4]byte
	if name := b.rooms.In(r.id); name != "" {
		binary.BigEndian.PutUint32(body[:], uint32(b.s.census.online(name)))
	}
	b.answer(r, frame.OpHeartbeatReply, seq, body[:])
}

// changeRoom leaves the room and joins another; an empty body only leaves. A
// link that may not join the other stays where it is.
func (b *bucket) changeRoom(r *record, f *frame.Frame) {
	name := ident.Room("")
	if len(f.Body) > 0 {
		var err error
		if name, err = ident.ParseRoom(string(f.Body)); err != nil {
			b.end(r, ReasonBadRoom)
			return
		}
	}
	if !b.permits.of(r.may).Allows(name) {
		b.m.forbidden.Add(1)
		b.answer(r, frame.OpChangeRoomReply, f.Seq, forbiddenRoom)
		return
	}
	if old := b.rooms.In(r.id); old != name {
		if old != "" {
			b.leaveRoom(r, old, ledger.Left)
		}
		if name != "" {
			if why := b.joinRoom(r, name); why != ReasonNone {
				b.end(r, why)
				return
			}
		}
	}
	b.answer(r, frame.OpChangeRoomReply, f.Seq, nil)
}

// forbiddenRoom is the body of a reply to a change of room that the link's
// credentials do not permit (docs/protocol.md).
var forbiddenRoom = []byte(`{"error":"denied"}`)

func (b *bucket) changeAccepts(r *record, f *frame.Frame) {
	ops, ok := parseOps(f.Body, b.s.cfg.Limits.Accepts)
	if !ok {
		b.end(r, ReasonBadFrame)
		return
	}
	next := *b.sets.At(r.set)
	if f.Op == frame.OpAddAccepts {
		next = next.With(ops)
	} else {
		next = next.Without(ops)
	}
	if next.Len() > b.s.cfg.Limits.Accepts {
		b.end(r, ReasonOverloaded)
		return
	}
	b.wantOps(r, next)
	b.answer(r, f.Op+1, f.Seq, nil)
}

// wantOps gives the link another set of accepts. What it was still to get
// under the old one is dropped, and told.
func (b *bucket) wantOps(r *record, next room.Accepts) {
	old := r.set
	r.set = b.sets.Intern(next)
	rest, begun, gap := b.rooms.Change(r.id, r.set, b.upToDate(r))
	b.prepend(r, rest, begun)
	b.sets.Release(old)
	b.tellGap(r, b.rooms.In(r.id), &gap)
}

// parseOps reads ops separated by commas.
func parseOps(body []byte, most int) ([]uint32, bool) {
	if len(body) == 0 || bytes.Count(body, []byte{','}) >= most {
		return nil, false
	}
	var ops []uint32
	for field := range bytes.SplitSeq(body, []byte{','}) {
		op, err := strconv.ParseUint(string(bytes.TrimSpace(field)), 10, 31)
		if err != nil {
			return nil, false
		}
		ops = append(ops, uint32(op))
	}
	return ops, true
}
