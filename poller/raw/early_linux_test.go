package raw

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Links inherit from their listener that nothing is delayed.
func TestLinksAreNotDelayed(t *testing.T) {
	r := newRig(t, 10)
	id, _ := r.link()
	r.do(func(l *loop) {
		on, err := unix.GetsockoptInt(int(l.links.Find(id).fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
		if on == 0 || err != nil {
			t.Errorf("TCP_NODELAY is %d: %v", on, err)
		}
	})
}

// What came before its link was accepted is delivered, though no event tells of
// it; half of it waits for the other half, and a link that was hung up meanwhile
// ends.
func TestEarlyWords(t *testing.T) {
	r := newRig(t, 10)
	release := make(chan bool)
	entered := make(chan bool)
	go r.do(func(*loop) { entered <- true; <-release })
	<-entered
	var peers []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		peers = append(peers, c)
	}
	peers[0].Write([]byte("whole word"))
	peers[1].Write([]byte("half "))
	peers[2].Write([]byte("goes"))
	peers[2].Close()
	close(release)
	for range peers {
		<-r.echo.ids
	}
	buf := make([]byte, 20)
	if n, err := peers[0].Read(buf); string(buf[:n]) != "whole word" {
		t.Errorf("got %q: %v", buf[:n], err)
	}
	peers[1].Write([]byte("words"))
	if n, err := peers[1].Read(buf); string(buf[:n]) != "half words" {
		t.Errorf("got %q: %v", buf[:n], err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left := 0
		r.do(func(l *loop) { left = l.links.Len() })
		if left == 2 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d links, want 2", left)
		}
	}
}

func TestEarlyGuess(t *testing.T) {
	var e early
	tries := func(accepts int, came bool) (n int) {
		for range accepts {
			if e.likely() {
				n++
				e.was(came)
			}
		}
		return n
	}
	if n := tries(1000, true); n != 1000 {
		t.Errorf("%d of 1000 tried that all came early", n)
	}
	if n := tries(1000, false); n < 10 || n > 30 {
		t.Errorf("%d of 1000 tried that all came late", n)
	}
	if n := tries(1000, true); n < 900 {
		t.Errorf("%d of 1000 tried that all came early again", n)
	}
}
