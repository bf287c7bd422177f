//go:build linux

package netpoll

import (
	"context"
	"io"
	"net"
	"testing"

	lib "github.com/cloudwego/netpoll"

	"github.com/oortim/oort/poller"
)

// A link that the library gives up, though its peer lives, is enrolled again.
func TestLostLinkIsEnrolledAgain(t *testing.T) {
	s := &sink{opened: make(chan poller.ID, 1)}
	e, err := Open(poller.Options{
		Listen: []string{"127.0.0.1:0"}, Loops: 1,
		NewHandler: func(l poller.Loop) poller.Handler { s.loop = l; return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop(context.Background())
	p, err := net.Dial("tcp", e.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	id := <-s.opened
	for n := 1; n <= 10; n++ {
		s.do(func() {
			var v valve
			if err := v.attach(s.loop.(*loop).Find(id).Own.lib); err != nil {
				t.Error(err)
				return
			}
			_ = v.op.Control(lib.PollDetach) // as the library does at a hangup
			_ = v.op.OnHup(v.poll)
		})
		if _, err := p.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		until(t, "a byte", func() (here bool) {
			s.do(func() { here = s.taken == n })
			return here
		})
	}
	s.do(func() { s.loop.Close(id, io.EOF) })
	if _, err := p.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after Close the peer got %v", err)
	}
}
