package comet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// The tests in threats_*_test.go show what hostile or broken clients meet. Each
// offender has a neighbour on the same loop, which goes on undisturbed, and the
// comment "defence" names the line without which the test fails.

// siege is a comet of one loop with a neighbour that minds its own business.
type siege struct {
	*rig
	neighbour *peer
	pushes    int
}

func besiege(t *testing.T, engine string, mend func(*Config)) *siege {
	t.Helper()
	r := open(t, engine, func(c *Config) {
		c.Loops = 1
		if mend != nil {
			mend(c)
		}
	})
	s := &siege{rig: r, neighbour: r.dial(false)}
	s.neighbour.auth("neighbour", "quiet://street")
	return s
}

// undisturbed pushes to the neighbour, who gets it.
func (s *siege) undisturbed() {
	s.t.Helper()
	s.pushes++
	body := fmt.Sprint("push ", s.pushes)
	s.pushRoom("quiet://street", 1000, body)
	s.neighbour.want(1000, 0, body)
}

// endedFor waits until so many links have ended for why, and nobody else.
func (s *siege) endedFor(why Reason, n uint64) {
	s.t.Helper()
	until(s.t, fmt.Sprintf("%d links ended for %v", n, why), func() bool { return s.closedFor(why) == n })
	if got := s.live(); got < 1 {
		s.t.Fatalf("%d links live, the neighbour is gone", got)
	}
	s.undisturbed()
}

// masked is one client frame of WebSocket.
func masked(op ws.Opcode, fin bool, payload []byte) string {
	return string(ws.AppendMasked(nil, op, fin, [4]byte{9, 8, 7, 6}, payload))
}

// wrap puts a frame on the peer's wire.
func (p *peer) wrap(f []byte) string {
	if p.ws {
		return masked(ws.OpBinary, true, f)
	}
	return string(f)
}

func head(length uint32, header, version uint16, op frame.Op) []byte {
	b := frame.AppendHeader(nil, op, 1, 0)
	b[0], b[1], b[2], b[3] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
	b[4], b[5], b[6], b[7] = byte(header>>8), byte(header), byte(version>>8), byte(version)
	return b
}

// A header that lies is refused before and after authentication.
// Defence: the checks of frame.check, called by link.Decoder.Next.
func TestThreatBadHeader(t *testing.T) {
	rows := []struct {
		name string
		head []byte
		why  Reason
	}{
		{"length 0", head(0, 16, 1, 2), ReasonBadFrame},
		{"length 15", head(15, 16, 1, 2), ReasonBadFrame},
		{"length negative", head(0xffffffff, 16, 1, 2), ReasonBadFrame},
		{"length least", head(1<<31, 16, 1, 2), ReasonBadFrame},
		{"over the limit", head(4<<10+17, 16, 1, 2), ReasonTooLarge},
		{"2 GiB", head(1<<31-1, 16, 1, 2), ReasonTooLarge},
		{"header 15", head(16, 15, 1, 2), ReasonBadFrame},
		{"header 65535", head(16, 65535, 1, 2), ReasonBadFrame},
		{"version 2", head(16, 16, 2, 2), ReasonBadFrame},
	}
	both(t, func(t *testing.T, engine string, ws bool) {
		s := besiege(t, engine, nil)
		n := map[Reason]uint64{}
		for i, row := range rows {
			for _, first := range []bool{true, false} {
				p := s.dial(ws)
				if !first {
					p.auth(fmt.Sprint("k", i), "live://1")
				}
				p.raw(p.wrap(row.head))
				p.wantEnd(row.why)
				n[row.why]++
				s.endedFor(row.why, n[row.why])
			}
		}
	})
}

// What a message says of its inner length must be what came, so nobody can
// make the server wait, or answer with bytes of others.
// Defence: frame.Exact in link.Decoder.message.
func TestThreatInnerLength(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, nil)
		whole := frame.Append(nil, frame.OpMessage, 1, []byte("body"))
		for i, b := range [][]byte{whole[:len(whole)-1], append(bytes.Clone(whole), 'x'), whole[:15], {}, append(bytes.Clone(whole), whole...)} {
			p := s.dial(true)
			p.auth("k", "live://1")
			p.raw(p.wrap(b))
			p.wantEnd(ReasonBadFrame)
			if p.code != 1002 {
				t.Errorf("row %d: close code %d, want 1002", i, p.code)
			}
			s.endedFor(ReasonBadFrame, uint64(i+1))
		}
	})
}

// Frames that break RFC 6455 end their link with the code that it asks for.
// Defence: ws.ParseHeader and State.Next; badInput passes their code on.
func TestThreatWebSocketFrames(t *testing.T) {
	bin := ws.OpBinary
	rows := []struct {
		name string
		wire string
		why  Reason
		code uint16
	}{
		{"unmasked", string(ws.AppendFrame(nil, bin, []byte("x"))), ReasonBadWS, 1002},
		{"reserved bit", "\xc2" + masked(bin, true, nil)[1:], ReasonBadWS, 1002},
		{"unknown opcode", masked(3, true, nil), ReasonBadWS, 1002},
		{"unknown control", masked(11, true, nil), ReasonBadWS, 1002},
		{"long ping", masked(ws.OpPing, true, make([]byte, 126)), ReasonBadWS, 1002},
		{"fragmented ping", masked(ws.OpPing, false, nil), ReasonBadWS, 1002},
		{"length with the top bit", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", ReasonBadWS, 1002},
		{"length of 2^62", "\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ReasonTooLarge, 1009},
		{"length over the limit", "\x82\xfe\xff\xff\x00\x00\x00\x00", ReasonTooLarge, 1009},
		{"length not minimal", "\x82\xfe\x00\x01\x00\x00\x00\x00x", ReasonBadWS, 1002},
		{"orphan", masked(ws.OpContinuation, true, nil), ReasonBadWS, 1002},
		{"interleaved", masked(bin, false, nil) + masked(bin, true, nil), ReasonBadWS, 1002},
		{"empty fragments", masked(bin, false, nil) + strings.Repeat(masked(ws.OpContinuation, false, nil), 10_000), ReasonFlood, 3010},
		{"fragments without end", masked(bin, false, make([]byte, 3000)) + masked(ws.OpContinuation, false, make([]byte, 3000)), ReasonTooLarge, 1009},
		{"close of one byte", masked(ws.OpClose, true, []byte{3}), ReasonBadWS, 1002},
		{"close code 1005", masked(ws.OpClose, true, []byte{3, 237}), ReasonBadWS, 1002},
		{"close not UTF-8", masked(ws.OpClose, true, []byte{3, 232, 0xff}), ReasonBadWS, 1007},
		{"text", masked(ws.OpText, true, []byte("{}")), ReasonText, 1003},
	}
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, nil)
		n := map[Reason]uint64{}
		for i, row := range rows {
			p := s.dial(true)
			p.auth(fmt.Sprint("k", i), "live://1")
			p.raw(row.wire)
			p.wantEnd(row.why)
			if p.code != row.code {
				t.Errorf("%s: close code %d, want %d", row.name, p.code, row.code)
			}
			n[row.why]++
			s.endedFor(row.why, n[row.why])
		}
	})
}

// The number of fragments is bounded too where the rate allows them.
// Defence: errFragments in ws.State.admit.
func TestThreatManyFragments(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Burst = 60_000 })
		p := s.dial(true)
		p.auth("k", "live://1")
		p.raw(masked(ws.OpBinary, false, nil) + strings.Repeat(masked(ws.OpContinuation, false, nil), 10_000))
		p.wantEnd(ReasonBadWS)
		if p.code != 1008 {
			t.Errorf("close code %d, want 1008", p.code)
		}
		s.endedFor(ReasonBadWS, 1)
	})
}

// Ops that a client may not send, before and after authentication.
// Defence: the default case of bucket.frame, and its first lines.
func TestThreatUnexpectedOps(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		s := besiege(t, engine, nil)
		n := uint64(0)
		for _, op := range []frame.Op{0, 1, 3, 6, 8, 9, 18, 1000, 1<<32 - 1, frame.OpHeartbeat, frame.OpAuth} {
			p := s.dial(ws)
			if op != frame.OpHeartbeat {
				p.auth("k", "live://1")
			}
			p.send(op, 5, "")
			p.wantEnd(ReasonUnexpectedOp)
			n++
			s.endedFor(ReasonUnexpectedOp, n)
		}
	})
}

// Floods of frames end by the link's allowance, also where nobody reads the
// answers. Defence: spend's comparison of r.tokens.
func TestThreatFloods(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, nil)
		kinds := map[string]string{"heartbeats": "", "rooms": ""}
		p := s.dial(web)
		kinds["heartbeats"] = strings.Repeat(p.wrap(frame.Append(nil, frame.OpHeartbeat, 1, nil)), 500)
		kinds["rooms"] = strings.Repeat(p.wrap(frame.Append(nil, frame.OpChangeRoom, 1, []byte("a://1"))), 500)
		if web {
			kinds["pings"] = strings.Repeat(masked(ws.OpPing, true, make([]byte, 125)), 500)
			kinds["pongs"] = strings.Repeat(masked(ws.OpPong, true, nil), 500)
		}
		n := uint64(0)
		for name, wire := range kinds {
			p := s.dial(web)
			p.auth(name, "live://1")
			p.raw(wire)
			p.wantEnd(ReasonFlood)
			n++
			s.endedFor(ReasonFlood, n)
		}
	})
}

// A client that keeps to its rate is no flood, for as long as it likes.
// Defence: spend refills without rounding.
func TestSteadyRateIsNoFlood(t *testing.T) {
	start := time.Unix(1000, 0)
	s := &Server{start: start}
	s.cfg.Limits.Rate, s.cfg.Limits.Burst = 20, 5
	b := &bucket{s: s, ticked: true, clock: start}
	r := &record{state: live, tokens: 5 * tokensAFrame}
	for i := range 20 * 60 {
		b.clock = start.Add(time.Duration(i) * 50 * time.Millisecond)
		if !b.spend(r, 1) {
			t.Fatalf("flood after %d frames at the allowed rate", i)
		}
	}
}

// Before authentication little is read and less is said.
// Defence: Limits.Early in bucket.event and OnData; tokens for pings.
func TestThreatTalkBeforeAuth(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Early = 2000 })
		p := s.dial(true)
		p.raw(strings.Repeat(masked(ws.OpPing, true, make([]byte, 100)), 50))
		p.wantEnd(ReasonEarlyBytes)
		if p.code != 1008 {
			t.Errorf("close code %d, want 1008", p.code)
		}
		s.endedFor(ReasonEarlyBytes, 1)
		p = s.dial(false)
		p.raw(string(frame.AppendHeader(nil, frame.OpAuth, 1, 4000)) + strings.Repeat("x", 2500))
		p.wantEnd(ReasonEarlyBytes)
		s.endedFor(ReasonEarlyBytes, 2)
		p = s.dial(true)
		p.raw(strings.Repeat(masked(ws.OpPing, true, nil), 200))
		p.wantEnd(ReasonFlood)
		s.endedFor(ReasonFlood, 1)
	})
}

// touchy is a handler that panics on a word, as a defect would.
type touchy struct{ poller.Handler }

func (h touchy) OnData(id poller.ID, in []byte) int {
	if bytes.Contains(in, []byte("defect")) {
		panic("a defect")
	}
	return h.Handler.OnData(id, in)
}

// A panic ends its link only, and is counted.
// Defence: the engine's contain; reasonOf names it, and OnClose cleans up.
func TestThreatPanic(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		s := besiege(t, engine, func(c *Config) {
			c.Engine = func(o poller.Options) (poller.Engine, error) {
				inner := o.NewHandler
				o.NewHandler = func(l poller.Loop) poller.Handler { return touchy{inner(l)} }
				return engines.Open(engine, o)
			}
		})
		p := s.dial(false)
		p.auth("k", "quiet://street")
		p.send(frame.OpMessage, 1, "defect")
		p.wantEnd(ReasonPeer) // nobody can be told
		s.endedFor(ReasonInternal, 1)
		until(t, "session given back", func() bool { return s.logic.online() == 1 })
		if n := s.engine.Stats().Panics; n != 1 {
			t.Errorf("%d panics counted, want 1", n)
		}
	})
}

// No answer holds bytes of another link, however the requests are cut.
// Defence: full slices and clones; pools are poisoned under the race detector.
func TestThreatForeignBytes(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		r := open(t, engine, func(c *Config) { c.Limits.Rate, c.Limits.Burst = 10_000, 60_000 })
		var wg sync.WaitGroup
		for i := range 8 {
			p := r.dial(web)
			p.auth(fmt.Sprint("k", i), "live://1")
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				for seq := range uint32(50) {
					body := strings.Repeat(fmt.Sprintf("<%d:%d>", i, seq), 1+rng.IntN(300))
					wire := p.wrap(frame.Append(nil, frame.OpMessage, seq, []byte(body)))
					cut := rng.IntN(len(wire))
					p.raw(wire[:cut])
					p.raw(wire[cut:])
					f, err := p.next()
					if err != nil || string(f.Body) != "echo:"+body || f.Seq != seq {
						t.Errorf("link %d: %v, got %.60q for %.60q", i, err, f.Body, body)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// cramped dials with a small receive buffer, so that it is full soon.
func (r *rig) cramped(web bool) *peer {
	r.t.Helper()
	r.control = func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }), err)
	}
	defer func() { r.control = nil }()
	return r.dial(web)
}
