package publish

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// pipe is a TCP connection on loopback, counted, and its peer's end.
func pipe(t *testing.T) (conn net.Conn, peer net.Conn, w *wire) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w = newWire(Config{})
	if conn, err = w.dial(t.Context(), "tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); peer.Close() })
	return conn, peer, w
}

var (
	produceRequest  = []byte{0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 1}
	metadataRequest = []byte{0, 0, 0, 8, 0, 3, 0, 9, 0, 0, 0, 1}
)

func TestWireCounts(t *testing.T) {
	conn, peer, w := pipe(t)
	for _, c := range []struct {
		write []byte
		want  uint64
	}{
		{metadataRequest, 0},
		{produceRequest, 1},
		{produceRequest[:5], 2}, // cannot be told: might be
		{produceRequest, 3},
	} {
		if n, err := conn.Write(c.write); n != len(c.write) || err != nil {
			t.Fatal(n, err)
		}
		if got := w.produced.Load(); got != c.want {
			t.Errorf("after % x: %d, want %d", c.write, got, c.want)
		}
		got := make([]byte, len(c.write))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, c.write) {
			t.Errorf("peer got % x, %v", got, err)
		}
	}
}

// TestWireSeesTheEnd: on a connection that the broker has closed, no produce
// request is begun. Answers that wait to be read are no end.
func TestWireSeesTheEnd(t *testing.T) {
	conn, peer, w := pipe(t)
	if _, err := peer.Write([]byte("an answer")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(produceRequest); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 9)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		before := w.produced.Load()
		if _, err := conn.Write(produceRequest); err != nil {
			if w.produced.Load() != before {
				t.Error("a request that was not begun is counted")
			}
			return
		}
		if time.Since(start) > patience {
			t.Fatal("the end is not seen")
		}
	}
}
