//go:build linux

package netpoll

import (
	"io"
	"testing"

	lib "github.com/cloudwego/netpoll"
)

// A link that the library gives up, though its peer lives, is enrolled again.
func TestLostLinkIsEnrolledAgain(t *testing.T) {
	s := new(sink)
	id, p := s.link(t)
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
