package echo

import (
	"fmt"
	"slices"
	"testing"

	"github.com/oortim/oort/proto/ws"
)

// conformance is what a client sends after the upgrade, and all that the server
// has to say to it, the Close included, before it ends its side. The client
// sends nothing beyond send: where that is a fault, the server must have told it
// by the byte that proves it, not waited for more.
type conformance struct {
	id   string // of Autobahn|Testsuite's case, where there is one
	send []byte
	want []event
	chop int // how it is sent in pieces. 0: by bytes, or by 997 if it is long
}

// client writes a client's frames, one after the other. It is a value: each
// call leaves the one it was made on as it was.
type client struct{ b []byte }

var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func (c client) frame(op ws.Opcode, fin bool, payload string) client {
	return client{ws.AppendMasked(slices.Clip(c.b), op, fin, maskingKey, []byte(payload))}
}

func (c client) text(payload string) client   { return c.frame(ws.OpText, true, payload) }
func (c client) binary(payload string) client { return c.frame(ws.OpBinary, true, payload) }
func (c client) ping(payload string) client   { return c.frame(ws.OpPing, true, payload) }
func (c client) close(payload string) client  { return c.frame(ws.OpClose, true, payload) }

// rsv sets reserved bits of the last frame, which has so many bytes.
func (c client) rsv(bits byte, from client) client {
	c.b[len(from.b)] |= bits << 4
	return c
}

// code is the payload of a Close frame.
func code(n uint16, reason string) string { return string([]byte{byte(n >> 8), byte(n)}) + reason }

// Events.
func text(payload string) event { return event{ws.OpText, payload} }
func blob(payload string) event { return event{ws.OpBinary, payload} }
func pong(payload string) event { return event{ws.OpPong, payload} }
func closed(code int) event     { return event{ws.OpClose, fmt.Sprint(code)} }

var closedBare = event{ws.OpClose, ""}

// good is a case that the client ends with Close 1000.
func good(id string, c client, want ...event) conformance {
	return conformance{id: id, send: c.close(code(1000, "")).b, want: append(want, closed(1000))}
}

// bad is a case in which the server must end with the code.
func bad(id string, c client, with int, want ...event) conformance {
	return conformance{id: id, send: c.b, want: append(want, closed(with))}
}

// run plays the case, its bytes sent in pieces of n.
func (c *conformance) run(t *testing.T, s *rig, n int) {
	t.Helper()
	p := upgraded(t, s)
	defer p.Close()
	wrote := make(chan error, 1)
	go func() { wrote <- p.drip(c.send, n) }()
	got, err := p.all()
	if err != nil {
		t.Errorf("%s in pieces of %d: after %v: %v", c.id, n, got, err)
	}
	if !slices.Equal(got, c.want) {
		t.Errorf("%s in pieces of %d: got %v, want %v", c.id, n, got, c.want)
	}
	if err := <-wrote; err != nil {
		t.Errorf("%s in pieces of %d: %v", c.id, n, err)
	}
}

func (c *conformance) pieces() int {
	switch {
	case c.chop > 0:
		return c.chop
	case len(c.send) <= 2000:
		return 1
	}
	return 997
}

func allCases() []conformance {
	return slices.Concat(framing(), pings(), reserved(), opcodes(), fragments(), utf8Cases(), closing(), long())
}

// TestConformance plays Autobahn|Testsuite's sections 1 to 7, 9 and 10 on every
// engine, each case at once and in pieces. `make autobahn` runs the suite
// itself.
func TestConformance(t *testing.T) {
	cases := allCases()
	each(t, func(t *testing.T, s *rig) {
		for _, c := range cases {
			c.run(t, s, len(c.send))
			c.run(t, s, c.pieces())
		}
	})
}

// TestCasesAreAutobahns checks that the table has as many cases as the suite's
// sections, so that none is lost by accident.
func TestCasesAreAutobahns(t *testing.T) {
	count := map[string]int{}
	seen := map[string]bool{}
	for _, c := range allCases() {
		if seen[c.id] {
			t.Errorf("two cases are called %s", c.id)
		}
		seen[c.id] = true
		for i, r := range c.id {
			if r == '.' {
				count[c.id[:i]]++
				break
			}
		}
	}
	want := map[string]int{"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
	for section, n := range want {
		if count[section] != n {
			t.Errorf("section %s has %d cases, want %d", section, count[section], n)
		}
	}
}
