//go:build linux

package netpoll

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// sink takes what comes, once it is told to.
type sink struct {
	loop   poller.Loop
	opened chan poller.ID
	slow   time.Duration // how long it takes for each OnData
	taken  int
	pause  bool
}

func (s *sink) OnOpen(id poller.ID, _ poller.Conn) {
	if s.pause {
		s.loop.Pause(id)
	}
	s.opened <- id
}

func (s *sink) OnData(_ poller.ID, in []byte) int {
	time.Sleep(s.slow)
	s.taken += len(in)
	return len(in)
}
func (s *sink) OnWritable(poller.ID)           {}
func (s *sink) OnClose(poller.ID, error)       {}
func (s *sink) OnTask(t poller.Task)           { t.Ref.(func())() }
func (s *sink) OnTurn(time.Time) time.Duration { return -1 }
func (s *sink) OnStop()                        {}

// link is the one link of an engine of one loop.
func (s *sink) link(t *testing.T) (poller.ID, net.Conn) {
	s.opened = make(chan poller.ID, 1)
	e, err := Open(poller.Options{
		Listen: []string{"127.0.0.1:0"}, Loops: 1, MaxRest: 4096,
		NewHandler: func(l poller.Loop) poller.Handler { s.loop = l; return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop(context.Background()) })
	p, err := net.Dial("tcp", e.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return <-s.opened, p
}

// do runs f on the loop.
func (s *sink) do(f func()) {
	done := make(chan bool)
	s.loop.Post(poller.Task{Ref: func() { f(); close(done) }})
	<-done
}

// pour sends until the peer's socket takes no more for a while, or most bytes.
func pour(t *testing.T, p net.Conn, most int) (sent int) {
	t.Helper()
	chunk := make([]byte, 1<<20)
	for sent < most {
		p.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := p.Write(chunk)
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return sent
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

// until waits until cond holds.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// A peer may fill the buffers of two sockets and then must wait, whether the
// link is paused or its handler slow; after that every byte arrives.
func TestPeerIsHeldBack(t *testing.T) {
	for name, s := range map[string]*sink{
		"paused": {pause: true},
		"slow":   {slow: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			id, p := s.link(t)
			const most = 64 << 20
			sent := pour(t, p, most)
			if sent >= most {
				t.Fatalf("the peer was never held back in %d bytes", sent)
			}
			t.Logf("held back after %d bytes", sent)
			s.do(func() { s.slow = 0; s.loop.Resume(id) })
			until(t, "every byte", func() (all bool) {
				s.do(func() { all = s.taken == sent })
				return all
			})
		})
	}
}
