package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	gobwas "github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// fataler is a test, a fuzz or a rapid one.
type fataler interface {
	Fatalf(string, ...any)
}

// agreeRequest checks that a head that we take is one that net/http takes,
// and that both see the same fields in it.
func agreeRequest(t fataler, b []byte) {
	r, n, err := ParseRequest(b, HeadLimits{})
	if err != nil || n == 0 {
		return
	}
	rd := bufio.NewReader(bytes.NewReader(b))
	req, err := http.ReadRequest(rd)
	if err != nil {
		t.Fatalf("%q: we take it, net/http says %v", b[:n], err)
	}
	field := func(name string) string { return strings.Join(req.Header.Values(name), ", ") }
	_, hasOrigin := req.Header["Origin"]
	theirs := Request{
		Target: req.RequestURI, Host: req.Host, Origin: field("Origin"), HasOrigin: hasOrigin,
		Key: field("Sec-Websocket-Key"), Protocols: field("Sec-Websocket-Protocol"),
	}
	if r != theirs {
		t.Fatalf("%q:\n%+v\nnet/http %+v", b[:n], r, theirs)
	}
	if req.Method != "GET" || req.Proto != "HTTP/1.1" || req.ContentLength != 0 || len(req.TransferEncoding) != 0 {
		t.Fatalf("%q: net/http sees %s %s with a body of %d", b[:n], req.Method, req.Proto, req.ContentLength)
	}
	// Both must agree on where the head ends, or bytes could be smuggled.
	rest, _ := rd.Peek(rd.Buffered())
	if len(b) <= rd.Size() && !bytes.Equal(rest, b[n:]) {
		t.Fatalf("%q: %d bytes follow, net/http sees %d", b, len(b)-n, len(rest))
	}
	agreeUpgrade(t, b[:n])
}

// agreeUpgrade checks that gobwas upgrades what we take, with the same answer.
func agreeUpgrade(t fataler, head []byte) {
	if bytes.Contains(head, []byte("Content-Length")) {
		return
	}
	r, _, _ := ParseRequest(head, HeadLimits{})
	if h := fields(head); !strings.EqualFold(strings.Join(h["Upgrade"], ","), "websocket") || len(h["Connection"]) != 1 {
		return // gobwas joins no lists, and takes one Upgrade only
	}
	var c conn
	c.Reader = bytes.NewReader(head)
	if _, err := gobwas.Upgrade(&c); err != nil {
		t.Fatalf("%q: we take it, gobwas says %v", head, err)
	}
	theirs, err := http.ReadResponse(bufio.NewReader(&c.out), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	ours, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(AppendAccept(nil, &r))), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Accept"} {
		if a, b := ours.Header.Get(name), theirs.Header.Get(name); a != b {
			t.Fatalf("%s: %q, gobwas %q", name, a, b)
		}
	}
}

func fields(head []byte) textproto.MIMEHeader {
	_, lines, _ := bytes.Cut(head, []byte("\r\n"))
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
	return h
}

// conn is a connection whose other side has said all it will.
type conn struct {
	*bytes.Reader
	out bytes.Buffer
}

func (c *conn) Write(b []byte) (int, error) { return c.out.Write(b) }

// heads draws heads of requests: a good one with lines exchanged, and bits.
func heads(t *rapid.T) []byte {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{
		"GET /sub?a=b HTTP/1.1", "GET /%41 HTTP/1.1", "GET //a/b HTTP/1.1", "GET /?%zz HTTP/1.1", "GET /a:b HTTP/1.1",
		"Host: a", "Host: [::1]:80", "Host: a:b:c", "Host: %", "Host:",
		"Connection: keep-alive, Upgrade", "Connection: close", "Connection: x",
		"Upgrade: websocket", "Upgrade: h2c, websocket", "UPGRADE:WebSocket",
		"Content-Length: 0", "Content-Length: 1", "Transfer-Encoding: chunked", "Trailer: Host", "Expect: 100-continue",
		"Origin: https://a", "Origin:", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", "Pragma: no-cache", "X-A: \xe9", " folded",
	}), 0, 4).Draw(t, "lines")
	var b []byte
	for _, line := range append([]string{""}, lines...) {
		switch {
		case line == "":
			b = []byte(upgrade())
		case rapid.Bool().Draw(t, "change"):
			b = []byte(upgrade(append(lines[:0:0], line)...))
		default:
			b = []byte(add(string(b), line))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "spoiled bits") {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return append(b, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "after")...)
}

func TestRequestAgreesWithOthers(t *testing.T) {
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		b := heads(t)
		agreeRequest(t, b)
		if _, n, _ := ParseRequest(b, HeadLimits{}); n > 0 {
			taken++
		}
	})
	if taken == 0 {
		t.Error("none of the heads was taken: nothing was compared")
	}
}

// requestOutcome is what ParseRequest says, in a form to compare.
func requestOutcome(r Request, n int, err error) string {
	return fmt.Sprintf("%+v n %d err %v", r, n, err)
}

// dripRequest gives b to ParseRequest byte by byte and returns the first that
// it says.
func dripRequest(b []byte, lim HeadLimits) string {
	for k := range len(b) {
		if r, n, err := ParseRequest(b[:k], lim); n != 0 || err != nil {
			return requestOutcome(r, n, err)
		}
	}
	return requestOutcome(ParseRequest(b, lim))
}

func TestParseRequestByteByByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := heads(t)
		lim := HeadLimits{Head: rapid.IntRange(100, 400).Draw(t, "head"), Target: 10, Fields: 7}
		if whole, cut := requestOutcome(ParseRequest(b, lim)), dripRequest(b, lim); whole != cut {
			t.Fatalf("%q\nat once:      %s\nbyte by byte: %s", b, whole, cut)
		}
	})
}

// Our headers and gobwas's are the same bytes, and each reads the other's.
func TestHeaderAgreesWithOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := gobwas.Header{
			Fin:    rapid.Bool().Draw(t, "fin"),
			OpCode: gobwas.OpCode(rapid.SampledFrom([]Opcode{0, 1, 2}).Draw(t, "op")),
			Masked: rapid.Bool().Draw(t, "masked"),
			Length: int64(rapid.OneOf(rapid.SampledFrom(lengths), rapid.IntRange(0, 1<<40)).Draw(t, "length")),
		}
		if rapid.IntRange(0, 3).Draw(t, "control") == 0 {
			h.Fin, h.OpCode, h.Length = true, gobwas.OpPing, h.Length%(MaxControl+1)
		}
		mask := byte(0)
		if h.Masked {
			copy(h.Mask[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "key"))
			mask = bitMask
		}
		var theirs bytes.Buffer
		if err := gobwas.WriteHeader(&theirs, h); err != nil {
			t.Fatal(err)
		}
		ours := appendHeader(nil, Opcode(h.OpCode), h.Fin, mask, int(h.Length))
		if h.Masked {
			ours = append(ours, h.Mask[:]...)
		}
		if !bytes.Equal(ours, theirs.Bytes()) {
			t.Fatalf("% x, gobwas % x", ours, theirs.Bytes())
		}
		got, n, err := ParseHeader(ours)
		want := Header{Opcode(h.OpCode), h.Fin, h.Masked, h.Mask, h.Length}
		if err != nil || n != len(ours) || got != want {
			t.Fatalf("% x: %+v, n %d, %v; want %+v", ours, got, n, err, want)
		}
	})
}

// agreeFrames checks that what a State takes, gobwas takes too, and as the
// same payloads.
func agreeFrames(t fataler, b []byte, lim Limits) {
	ours, theirs := bytes.Clone(b), bytes.NewReader(b)
	side := gobwas.StateServerSide
	var s State
	for {
		p, n, err := s.Next(ours, lim)
		if err != nil || n == 0 {
			return
		}
		f, err := gobwas.ReadFrame(theirs)
		if err != nil {
			t.Fatalf("% x: we read %s, gobwas says %v", b, p.text(), err)
		}
		if err := gobwas.CheckHeader(f.Header, side); err != nil {
			t.Fatalf("% x: we read %s, gobwas says %v", b, p.text(), err)
		}
		f = gobwas.UnmaskFrameInPlace(f)
		if !bytes.Equal(f.Payload, p.Payload) || f.Header.Fin != p.Fin {
			t.Fatalf("% x: we read %s, gobwas %v %q", b, p.text(), f.Header, f.Payload)
		}
		if !p.Op.Control() {
			if side = side.Clear(gobwas.StateFragmented); !p.Fin {
				side = side.Set(gobwas.StateFragmented)
			}
		}
		ours = ours[n:]
	}
}

func TestFramesAgreeWithOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agreeFrames(t, wire(t), Limits{}) })
}
