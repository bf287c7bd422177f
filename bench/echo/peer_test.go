package echo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/oortim/oort/proto/ws"
)

// peer is a client that sends whatever bytes a test wants, and reads what comes
// with another implementation's parser.
type peer struct {
	net.Conn
	in *bufio.Reader

	// Of a message that is not whole.
	op      ws.Opcode
	message []byte
}

func dial(t testing.TB, s *rig) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{Conn: c, in: bufio.NewReaderSize(c, 64<<10)}
}

const upgradeHead = "GET /echo HTTP/1.1\r\nHost: oort\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// upgraded is a peer whose server has answered 101.
func upgraded(t testing.TB, s *rig) *peer {
	t.Helper()
	p := dial(t, s)
	if _, err := io.WriteString(p, upgradeHead); err != nil {
		t.Fatal(err)
	}
	p.head(t, "101 ")
	return p
}

// head reads the head of the server's response.
func (p *peer) head(t testing.TB, status string) {
	t.Helper()
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = p.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if first, ok := strings.CutPrefix(line, "HTTP/1.1 "); ok && !strings.HasPrefix(first, status) {
			t.Fatalf("the server says %q", line)
		}
	}
}

// event is one thing that a server said. Close has its code as payload.
type event struct {
	op      ws.Opcode
	payload string
}

func (e event) String() string {
	if len(e.payload) > 80 {
		return fmt.Sprintf("%d(%d bytes, %q…)", e.op, len(e.payload), e.payload[:40])
	}
	return fmt.Sprintf("%d(%q)", e.op, e.payload)
}

// errServer: the server broke the RFC.
var errServer = errors.New("not a server's frame")

// next reads a message or a control frame; io.EOF when the server ended its
// side between frames.
func (p *peer) next() (event, error) {
	for {
		h, err := gobwas.ReadHeader(p.in)
		if err != nil {
			return event{}, err
		}
		if err := sane(h, p.op != 0); err != nil {
			return event{}, err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.in, payload); err != nil {
			return event{}, io.ErrUnexpectedEOF
		}
		if h.OpCode.IsControl() {
			return controlEvent(h.OpCode, payload), nil
		}
		if h.OpCode != gobwas.OpContinuation {
			p.op = ws.Opcode(h.OpCode)
		}
		p.message = append(p.message, payload...)
		if h.Fin {
			whole := event{p.op, string(p.message)}
			p.op, p.message = 0, p.message[:0]
			return whole, nil
		}
	}
}

// sane checks what RFC 6455 5 asks of a server's frame; inside: of a message.
func sane(h gobwas.Header, inside bool) error {
	switch {
	case h.Masked, h.Rsv != 0, h.OpCode.IsReserved(), h.OpCode.IsControl() && (!h.Fin || h.Length > 125),
		!h.OpCode.IsControl() && (h.OpCode == gobwas.OpContinuation) != inside:
		return fmt.Errorf("%w: %+v", errServer, h)
	}
	return nil
}

func controlEvent(op gobwas.OpCode, payload []byte) event {
	if op != gobwas.OpClose {
		return event{ws.Opcode(op), string(payload)}
	}
	if len(payload) == 0 {
		return event{ws.OpClose, ""}
	}
	return event{ws.OpClose, fmt.Sprint(binary.BigEndian.Uint16(payload))}
}

// all reads until the server ends its side.
func (p *peer) all() (events []event, err error) {
	for {
		e, err := p.next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

// drip writes b in pieces of n bytes, each its own segment where the system
// has time to send it.
func (p *peer) drip(b []byte, n int) error {
	for len(b) > 0 {
		k := min(n, len(b))
		if _, err := p.Write(b[:k]); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}
