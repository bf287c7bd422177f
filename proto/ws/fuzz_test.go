package ws

import (
	"errors"
	"strings"
	"testing"
)

func FuzzState(f *testing.F) {
	f.Add(send(OpBinary, true, "abc"), 1<<16, 8)
	f.Add(append(send(OpText, false, "a"), send(OpContinuation, true, "b")...), 1<<16, 8)
	f.Add(send(OpClose, true, "\x03\xe8bye"), 1<<16, 8)
	f.Add(send(OpBinary, true, strings.Repeat("a", 200)), 100, 1)
	f.Fuzz(func(t *testing.T, b []byte, message, fragments int) {
		if len(b) > 1<<12 {
			b = b[:1<<12]
		}
		lim := Limits{Message: message, Fragments: fragments}
		whole := history(b, lim, func() int { return len(b) })
		if drip := history(b, lim, func() int { return 1 }); drip != whole {
			t.Fatalf("at once:\n%s\nbyte by byte:\n%s", whole, drip)
		}
		checkMessages(t, b, lim)
		agreeFrames(t, b, lim)
	})
}

// checkMessages checks what holds of everything that a State takes.
func checkMessages(t *testing.T, b []byte, lim Limits) {
	var s State
	inside, size, frames := false, 0, 0
	b = append([]byte(nil), b...)
	for {
		p, n, err := s.Next(b, lim)
		var fault *CloseError
		if err != nil && (!errors.As(err, &fault) || !sendable(fault.Code) || n != 0) {
			t.Fatalf("n %d, %v", n, err)
		}
		if err != nil || n == 0 {
			return
		}
		b = b[n:]
		if p.Op.Control() {
			if len(p.Payload) > MaxControl || !p.First || !p.Fin {
				t.Fatalf("control frame %s", p.text())
			}
			continue
		}
		if p.First == inside || p.Op != OpText && p.Op != OpBinary {
			t.Fatalf("%s, inside a message: %v", p.text(), inside)
		}
		size, frames, inside = size+len(p.Payload), frames+1, !p.Fin
		if int64(size) > lim.message() || frames > lim.fragments() {
			t.Fatalf("a message of %d bytes in %d frames; limits %+v", size, frames, lim)
		}
		if p.Fin {
			size, frames = 0, 0
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(upgrade()))
	f.Add([]byte(upgrade("GET /sub?a=%20b HTTP/1.1", "Origin: https://a", "Sec-WebSocket-Protocol: a, b")))
	f.Add([]byte(add(upgrade("Content-Length: 0"), "X-A: 1", "Connection: keep-alive")))
	f.Add([]byte(upgrade("X-A: 1\r\n 2", "Transfer-Encoding: chunked")))
	f.Add([]byte("GET / HTTP/1.1\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lim := HeadLimits{Head: 1024, Fields: 16, Target: 64}
		if len(b) > 1100 {
			b = b[:1100]
		}
		r, n, err := ParseRequest(b, lim)
		if whole, drip := requestOutcome(r, n, err), dripRequest(b, lim); whole != drip {
			t.Fatalf("at once:      %s\nbyte by byte: %s", whole, drip)
		}
		var reject *RejectError
		switch {
		case err != nil && (!errors.As(err, &reject) || n != 0 || r != Request{}):
			t.Fatalf("%+v, n %d, %v", r, n, err)
		case n > len(b) || n > lim.Head || len(r.Target) > lim.Target:
			t.Fatalf("n %d of %d, target of %d", n, len(b), len(r.Target))
		case err == nil && n == 0 && len(b) >= lim.Head:
			t.Fatalf("asks for more than %d bytes", lim.Head)
		}
		agreeRequest(t, b)
	})
}
