package echo

import (
	"bytes"
	"io"
	"net"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// tcpFrames makes frames with bodies of these lengths.
func tcpFrames(lengths ...int) (b []byte) {
	for i, n := range lengths {
		b = frame.Append(b, frame.OpHeartbeat, uint32(i), bytes.Repeat([]byte{byte(i)}, n))
	}
	return b
}

// TestFrames sends TCP frames at once and in pieces.
func TestFrames(t *testing.T) {
	b := tcpFrames(0, 1, 10, 65519, 65520, 65521, 0, 300_000, 3)
	each(t, func(t *testing.T, s *rig) {
		for _, piece := range []int{len(b), 997, 65536} {
			returns(t, s, b, piece)
		}
		returns(t, s, tcpFrames(0, 1, 10, 0, 30), 1)
		if n := s.Stats(); n.Messages != 3*9+5 || n.Bytes != uint64(3*len(b)+5*16+41) || n.Refused != 0 {
			t.Errorf("%v", n)
		}
	})
}

// returns sends b in pieces, ends our side, and expects the same b back. That
// must all come, though the server learns of our end meanwhile.
func returns(t *testing.T, s *rig, b []byte, piece int) {
	t.Helper()
	p := dial(t, s)
	defer p.Close()
	wrote := make(chan error, 1)
	go func() { wrote <- p.drip(b, piece) }()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(p.in, got); err != nil || !bytes.Equal(got, b) {
		t.Errorf("in pieces of %d: not what was sent, %v", piece, err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	p.Conn.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(p.in); err != nil || len(rest) > 0 {
		t.Errorf("then came %d bytes, %v", len(rest), err)
	}
}

// TestFramesRefused ends links whose frames are wrong, as soon as they are;
// what came before is echoed.
func TestFramesRefused(t *testing.T) {
	fine := tcpFrames(5)
	each(t, func(t *testing.T, s *rig) {
		for name, wrong := range map[string][]byte{
			"shorter than a header": {0, 0, 0, 15},
			"negative":              {0xff, 0xff, 0xff, 0xff},
			"over the limit":        {0x01, 0x00, 0x00, 0x01},
			"header length":         {0, 0, 0, 16, 0, 17},
			"version":               {0, 0, 0, 16, 0, 16, 0, 2},
		} {
			p := dial(t, s)
			if _, err := p.Write(append(bytes.Clone(fine), wrong...)); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(p.in); err != nil || !bytes.Equal(got, fine) {
				t.Errorf("%s: % x, %v", name, got, err)
			}
			p.Close()
		}
	})
}

// TestHoweverCut checks that what comes out does not depend on how what goes in
// is cut, to the byte, for whatever a client may send.
func TestHoweverCut(t *testing.T) {
	s := open(t, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		var c client
		for range rapid.IntRange(1, 8).Draw(rt, "frames") {
			op := rapid.SampledFrom([]byte{0, 0, 1, 1, 2, 9, 10}).Draw(rt, "op")
			payload := rapid.SampledFrom([]string{"", "a", "é€", "\xe2", "\x82\xac", "\xff", string(make([]byte, 126)), string(make([]byte, pieceLen+1))}).Draw(rt, "payload")
			c = c.frame(ws.Opcode(op), rapid.Bool().Draw(rt, "fin"), payload)
		}
		c = c.close("")
		whole := says(t, s, c.b, len(c.b))
		n := rapid.SampledFrom([]int{1, 2, 7, 100, 5000}).Draw(rt, "piece")
		if cut := says(t, s, c.b, max(n, len(c.b)/2000)); !bytes.Equal(cut, whole) {
			rt.Fatalf("in pieces of %d: %d bytes, % .200x\nat once: %d bytes, % .200x", n, len(cut), cut, len(whole), whole)
		}
	})
}

// says is all that the server sends after the upgrade.
func says(t *testing.T, s *rig, b []byte, piece int) []byte {
	p := upgraded(t, s)
	defer p.Close()
	go p.drip(b, piece) //nolint:errcheck // it may be cut off by a refusal
	got, err := io.ReadAll(p.in)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
