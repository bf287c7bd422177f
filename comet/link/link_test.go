package link

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

var lim = &Limits{Frame: 4096}

const upgrade = "GET /sub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://o\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func masked(op ws.Opcode, fin bool, payload []byte) string {
	return string(ws.AppendMasked(nil, op, fin, [4]byte{1, 2, 3, 4}, payload))
}

func tcp(op frame.Op, body string) string { return string(frame.Append(nil, op, 7, []byte(body))) }

func web(op frame.Op, body string) string { return masked(ws.OpBinary, true, []byte(tcp(op, body))) }

// feed gives wire to d in pieces of n bytes, as an engine does, and returns
// what it said.
func feed(d *Decoder, parts *Parts, wire string, n int) (said []string, err error) {
	var rest []byte
	for len(wire) > 0 {
		k := min(n, len(wire))
		rest = append(rest, wire[:k]...)
		wire = wire[k:]
		for len(rest) > 0 {
			ev, used, err := d.Next(rest, 3, lim, parts)
			if err != nil {
				return said, err
			}
			if used == 0 {
				break
			}
			if word := describe(&ev); word != "" {
				said = append(said, word)
			}
			copy(rest, bytes.Repeat([]byte{0xdb}, used)) // what was taken may not be needed any more
			rest = rest[used:]
		}
	}
	if len(rest) > 0 {
		said = append(said, fmt.Sprint("rest ", len(rest)))
	}
	return said, nil
}

func describe(ev *Event) string {
	switch ev.Kind {
	case Frame:
		return fmt.Sprintf("frame %v %d %q", ev.Frame.Op, ev.Frame.Seq, ev.Frame.Body)
	case Upgrade:
		return "upgrade " + ev.Request.Target + " " + ev.Request.Origin
	case Proxied:
		return fmt.Sprint("proxied ", ev.Proxy.Src)
	case Ping:
		return fmt.Sprintf("ping %q", ev.Payload)
	case Close:
		return fmt.Sprintf("close %q", ev.Payload)
	}
	return ""
}

// TestStages: what each stage says does not depend on how the bytes are cut.
func TestStages(t *testing.T) {
	const proxy = "PROXY TCP4 192.0.2.7 192.0.2.1 9 10\r\n"
	whole := tcp(7, "fragmented")
	fragments := masked(ws.OpBinary, false, []byte(whole[:5])) + masked(ws.OpPing, true, []byte("p")) +
		masked(ws.OpContinuation, false, nil) + masked(ws.OpContinuation, true, []byte(whole[5:]))
	rows := []struct {
		name  string
		start Decoder
		wire  string
		want  []string
		after Stage
	}{
		{"tcp", NewDecoder(StageTCP, false), tcp(7, "a") + tcp(2, ""), []string{`frame auth 7 "a"`, `frame heartbeat 7 ""`}, StageTCP},
		{"upgrade", NewDecoder(StageHead, false), upgrade + web(7, "a") + web(2, "bb"), []string{"upgrade /sub https://o", `frame auth 7 "a"`, `frame heartbeat 7 "bb"`}, StageWS},
		{"sniffed tcp", NewDecoder(StageSniff, false), tcp(7, "a"), []string{`frame auth 7 "a"`}, StageTCP},
		{"sniffed upgrade", NewDecoder(StageSniff, false), upgrade + web(7, "a"), []string{"upgrade /sub https://o", `frame auth 7 "a"`}, StageWS},
		{"proxied tcp", NewDecoder(StageTCP, true), proxy + tcp(7, "a"), []string{"proxied 192.0.2.7:9", `frame auth 7 "a"`}, StageTCP},
		{"proxied and sniffed", NewDecoder(StageSniff, true), proxy + upgrade + web(7, "a"), []string{"proxied 192.0.2.7:9", "upgrade /sub https://o", `frame auth 7 "a"`}, StageWS},
		{"fragments", NewDecoder(StageWS, false), fragments + web(2, ""), []string{`ping "p"`, `frame auth 7 "fragmented"`, `frame heartbeat 7 ""`}, StageWS},
		{"controls", NewDecoder(StageWS, false), masked(ws.OpPong, true, nil) + masked(ws.OpPing, true, nil) + masked(ws.OpClose, true, []byte{3, 232}), []string{`ping ""`, `close "\x03\xe8"`}, StageWS},
		{"incomplete", NewDecoder(StageTCP, false), tcp(7, "abc")[:18], []string{"rest 18"}, StageTCP},
	}
	for _, row := range rows {
		for _, n := range []int{1, 2, 3, 7, 1 << 20} {
			d, parts := row.start, Parts{}
			got, err := feed(&d, &parts, row.wire, n)
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s by %d: %q, %v; want %q", row.name, n, got, err, row.want)
			}
			if d.Stage() != row.after || !d.Spoke() || parts.Len() != 0 {
				t.Errorf("%s by %d: stage %v, %d messages begun", row.name, n, d.Stage(), parts.Len())
			}
		}
	}
}

// TestErrors: each fault has its sentinel, however it is cut, and comes before
// the bytes that it announces.
func TestErrors(t *testing.T) {
	rows := []struct {
		name  string
		start Decoder
		wire  string
		want  error
	}{
		{"no proxy header", NewDecoder(StageTCP, true), tcp(7, ""), ErrProxy},
		{"bad upgrade", NewDecoder(StageHead, false), "GET / HTTP/1.0\r\n\r\n", ErrUpgrade},
		{"not HTTP", NewDecoder(StageHead, false), tcp(7, ""), ErrUpgrade},
		{"sniffed bad upgrade", NewDecoder(StageSniff, false), "GARBAGE", ErrUpgrade},
		{"length", NewDecoder(StageTCP, false), "\x00\x00\x00\x0f", frame.ErrLength},
		{"too large", NewDecoder(StageTCP, false), "\x00\x00\x10\x01", frame.ErrTooLarge},
		{"sniffed nonsense", NewDecoder(StageSniff, false), "\x80\x00\x00\x00", frame.ErrLength},
		{"text", NewDecoder(StageWS, false), masked(ws.OpText, true, nil), ErrText},
		{"text begun", NewDecoder(StageWS, false), masked(ws.OpText, false, nil), ErrText},
		{"inner", NewDecoder(StageWS, false), masked(ws.OpBinary, true, []byte(tcp(7, "a")+"b")), frame.ErrInner},
		{"inner of fragments", NewDecoder(StageWS, false), masked(ws.OpBinary, false, []byte(tcp(7, "a"))) + masked(ws.OpContinuation, true, []byte("b")), frame.ErrInner},
	}
	for _, row := range rows {
		for _, n := range []int{1, 5, 1 << 20} {
			d := row.start
			if got, err := feed(&d, &Parts{}, row.wire, n); !errors.Is(err, row.want) {
				t.Errorf("%s by %d: %q, %v; want %v", row.name, n, got, err, row.want)
			}
		}
	}
	var reject *ws.RejectError
	d := NewDecoder(StageHead, false)
	if _, err := feed(&d, &Parts{}, "GET / HTTP/1.0\r\n\r\n", 99); !errors.As(err, &reject) || reject.Status != 400 {
		t.Errorf("an error that cannot be answered: %v", err)
	}
}

// TestPartsForget: what a link that ended had begun is not given to the next
// one in its slot.
func TestPartsForget(t *testing.T) {
	parts, d := Parts{}, NewDecoder(StageWS, false)
	if _, err := feed(&d, &parts, masked(ws.OpBinary, false, []byte("secret")), 99); err != nil || parts.Len() != 1 {
		t.Fatal(err, parts.Len())
	}
	parts.Forget(3)
	next := NewDecoder(StageWS, false)
	whole := tcp(7, "a")
	got, err := feed(&next, &parts, masked(ws.OpBinary, false, []byte(whole[:3]))+masked(ws.OpContinuation, true, []byte(whole[3:])), 99)
	if err != nil || len(got) != 1 || got[0] != `frame auth 7 "a"` {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDecodingAllocatesNothing in the steady state of a link.
func TestDecodingAllocatesNothing(t *testing.T) {
	for name, wire := range map[string]string{"tcp": tcp(2, ""), "ws": web(2, "")} {
		d := NewDecoder(map[string]Stage{"tcp": StageTCP, "ws": StageWS}[name], false)
		parts, b := Parts{}, make([]byte, len(wire))
		n := testing.AllocsPerRun(100, func() {
			copy(b, wire)
			if ev, n, err := d.Next(b, 3, lim, &parts); ev.Kind != Frame || n != len(b) || err != nil {
				t.Fatal(ev, n, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a frame", name, n)
		}
	}
}

// FuzzNext: whatever comes, Next takes no more than it was given, says nothing
// of bytes beyond, comes to an end, and says the same however the bytes are cut.
func FuzzNext(f *testing.F) {
	for stage := StageTCP; stage <= StageProxy; stage++ {
		f.Add(byte(stage), 3, []byte(upgrade+web(7, "a")))
		f.Add(byte(stage), 5, []byte(tcp(7, "a")+tcp(2, "")))
		f.Add(byte(stage), 1, []byte(masked(ws.OpBinary, false, []byte("x"))+masked(ws.OpContinuation, true, nil)))
		f.Add(byte(stage), 9, []byte("PROXY TCP4 192.0.2.7 192.0.2.1 9 10\r\n"+tcp(7, "a")))
	}
	f.Fuzz(func(t *testing.T, stage byte, cut int, wire []byte) {
		start := NewDecoder(Stage(stage)%StageProxy, stage&0x40 != 0)
		whole, pieces := start, start
		want, wantErr := feed(&whole, &Parts{}, string(wire), len(wire)+1)
		got, err := feed(&pieces, &Parts{}, string(wire), max(1, cut))
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) || whole.Stage() != pieces.Stage() {
			t.Errorf("in pieces of %d: %q, %v; at once %q, %v", cut, got, err, want, wantErr)
		}
		total := 0
		d := start
		for b := bytes.Clone(wire); len(b) > 0; {
			ev, n, err := d.Next(b[:len(b):len(b)], 0, lim, &Parts{})
			if n < 0 || n > len(b) || err != nil && n > 0 && ev.Kind != Frame {
				t.Fatalf("took %d of %d: %v", n, len(b), err)
			}
			if n == 0 || err != nil {
				break
			}
			total += len(ev.Payload) + len(ev.Frame.Body)
			b = b[n:]
		}
		if total > len(wire) {
			t.Errorf("%d bytes said of %d given", total, len(wire))
		}
	})
}
