package echo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ws"
)

// TestSlowReader sends without reading until the server reads no more, so that
// it holds next to nothing, and then reads all of it: nothing is lost, and the
// Close comes last.
func TestSlowReader(t *testing.T) {
	message := ws.AppendMasked(nil, ws.OpBinary, true, maskingKey, bytes.Repeat([]byte("oort"), 10_000))
	one := frame.Append(nil, frame.OpMessage, 1, bytes.Repeat([]byte("oort"), 10_000))
	each(t, func(t *testing.T, s *rig) {
		t.Parallel()
		t.Run("websocket", func(t *testing.T) {
			p := upgraded(t, s)
			n, rest := stuff(t, s, p, message)
			// One piece that has become whole, what one read gave, a piece begun.
			if most := s.most(t, bytesHeld); most > 3*(pieceLen+ws.MaxHeader) {
				t.Errorf("a link that is stuck holds %d bytes", most)
			}
			go p.Write(slices.Concat(rest, client{}.close(code(1000, "")).b)) //nolint:errcheck // seen below
			for range n {
				if e, err := p.next(); err != nil || e.op != ws.OpBinary || len(e.payload) != 40_000 {
					t.Fatalf("%v, %v", e, err)
				}
			}
			if e, err := p.next(); err != nil || e != closed(1000) {
				t.Fatalf("%v, %v", e, err)
			}
			if _, err := p.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("after the Close: %v", err)
			}
			p.Close()
		})
		t.Run("frames", func(t *testing.T) {
			p := dial(t, s)
			n, rest := stuff(t, s, p, one)
			go p.Write(rest) //nolint:errcheck // seen below
			got := make([]byte, len(one))
			for range n {
				if _, err := io.ReadFull(p.in, got); err != nil || !bytes.Equal(got, one) {
					t.Fatal(err)
				}
			}
			holders := func(l *loop) int { return len(l.held) }
			await(t, "nothing is held", func() bool { return s.most(t, holders) == 0 })
			p.Close()
		})
	})
}

// stuff sends message over and over until the server holds what it cannot send
// and nothing moves any more. n is how many were begun; of the last one rest is
// still to be sent.
func stuff(t *testing.T, s *rig, p *peer, message []byte) (n int, rest []byte) {
	t.Helper()
	defer p.SetWriteDeadline(time.Now().Add(patience))
	const enough = 1 << 30 // a server that takes a GB is stopped by nothing
	for n = 1; n*len(message) < enough; n++ {
		for rest = message; len(rest) > 0; {
			p.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			k, err := p.Write(rest)
			rest = rest[k:]
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			if err != nil && s.most(t, bytesHeld) > 0 {
				return n, rest
			}
		}
	}
	t.Fatal("the server takes all, though nobody reads its answers")
	return 0, nil
}

// TestStop ends WebSockets by 1001 and TCP links by FIN, and is done when they
// are.
func TestStop(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		web, tcp, silent := upgraded(t, s), dial(t, s), dial(t, s)
		if _, err := tcp.Write(tcpFrames(3)); err != nil {
			t.Fatal(err)
		}
		await(t, "three links", func() bool { return s.Stats().Links == 3 && s.Stats().Messages == 1 })
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			stopped <- s.Stop(ctx)
		}()
		if events, err := web.all(); err != nil || len(events) != 1 || events[0] != closed(1001) {
			t.Errorf("WebSocket: %v, %v", events, err)
		}
		for _, p := range []*peer{tcp, silent} {
			if _, err := io.ReadAll(p.in); err != nil {
				t.Errorf("TCP: %v", err)
			}
		}
		for _, p := range []*peer{web, tcp, silent} {
			p.Close()
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", s.Addrs()[0].String()); err == nil {
			t.Error("it still listens")
		}
	})
}

// TestStopCuts does not wait for a peer that ends nothing.
func TestStopCuts(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		t.Parallel()
		stuck := upgraded(t, s)
		stuff(t, s, stuck, ws.AppendMasked(nil, ws.OpBinary, true, maskingKey, make([]byte, 40_000)))
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestLinger closes a link whose peer keeps its side open after our Close.
func TestLinger(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		t.Parallel()
		p := upgraded(t, s)
		if _, err := p.Write(client{}.close("").b); err != nil {
			t.Fatal(err)
		}
		if events, err := p.all(); err != nil || len(events) != 1 || events[0] != closedBare {
			t.Fatalf("%v, %v", events, err)
		}
		// What it goes on to send is thrown away, and prolongs nothing.
		before := s.Stats()
		for range 20 {
			if _, err := p.Write(client{}.ping("").text("").b); err != nil {
				break // it was closed meanwhile
			}
			if n := s.most(t, func(l *loop) int { return len(l.leaving) }); n > 1 {
				t.Fatalf("a link leaves %d times", n)
			}
		}
		if after := s.Stats(); after.Pings != before.Pings || after.Messages != before.Messages {
			t.Errorf("%v has become %v", before, after)
		}
		await(t, "the link's end", func() bool { return s.Stats().Links == 0 })
	})
}
