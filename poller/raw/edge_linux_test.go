package raw

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// A link that sends much is read in bounded steps; nothing of it is forgotten,
// nor its end, though no event tells of them again.
func TestEdgeReadsAreBounded(t *testing.T) {
	const rest, size = 16, 20_000 // so that the last read fills its buffer too
	h := &gathering{closed: make(chan error, 1)}
	e, err := Options{Edge: true}.Open(poller.Options{
		Listen: []string{"127.0.0.1:0"}, Loops: 1, MaxRest: rest,
		NewHandler: func(l poller.Loop) poller.Handler { h.quiet = quiet{&echo{loop: l}}; return h },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, e)
	c, err := net.Dial("tcp", e.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i ^ i>>8)
	}
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	select {
	case err := <-h.closed:
		if err != poller.ErrPeerClosed || !bytes.Equal(h.all, sent) {
			t.Errorf("%d bytes of %d, equal: %v, closed with %v", len(h.all), size, bytes.Equal(h.all, sent), err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the end was never told")
	}
	if h.most != readsATurn {
		t.Errorf("%d reads in a turn at most, want %d", h.most, readsATurn)
	}
}

// gathering keeps what comes, and counts how often in a turn.
type gathering struct {
	quiet
	all          []byte
	inTurn, most int
	closed       chan error
}

func (h *gathering) OnData(_ poller.ID, in []byte) int {
	h.inTurn++
	h.most = max(h.most, h.inTurn)
	h.all = append(h.all, in...)
	return len(in)
}

func (h *gathering) OnTurn(time.Time) time.Duration {
	h.inTurn = 0
	return -1
}

func (h *gathering) OnClose(_ poller.ID, reason error) { h.closed <- reason }
