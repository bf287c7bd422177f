package pollertest

import (
	"fmt"
	"net"
	"testing"

	"github.com/oortim/oort/poller"
)

// situation brings a link into a state. What the peer sends it is left unused.
type situation struct {
	name  string
	enter func(r *rig, id poller.ID, p *net.TCPConn)
	held  bool // paused: the peer's end is told after Resume
}

var situations = []situation{
	{"idle", func(*rig, poller.ID, *net.TCPConn) {}, false},
	{"with a rest", func(r *rig, _ poller.ID, p *net.TCPConn) { send(r.t, p, "rest") }, false},
	{"paused", pauseIt, true},
	{"paused with a rest", func(r *rig, id poller.ID, p *net.TCPConn) {
		send(r.t, p, "rest")
		pauseIt(r, id, p)
	}, true},
	{"paused with bytes unread", func(r *rig, id poller.ID, p *net.TCPConn) {
		pauseIt(r, id, p)
		send(r.t, p, "unread")
	}, true},
	{"waiting for OnWritable", fillIt, false},
	{"paused and waiting for OnWritable", func(r *rig, id poller.ID, p *net.TCPConn) {
		pauseIt(r, id, p)
		fillIt(r, id, p)
	}, true},
	{"after CloseWrite", func(r *rig, id poller.ID, _ *net.TCPConn) {
		r.do(func(l poller.Loop) { l.CloseWrite(id) })
	}, false},
	{"paused after CloseWrite", func(r *rig, id poller.ID, _ *net.TCPConn) {
		r.do(func(l poller.Loop) { l.Pause(id); l.CloseWrite(id) })
	}, true},
	{"resumed", func(r *rig, id poller.ID, p *net.TCPConn) {
		pauseIt(r, id, p)
		send(r.t, p, "bytes")
		r.do(func(l poller.Loop) { l.Resume(id) })
	}, false},
}

func pauseIt(r *rig, id poller.ID, _ *net.TCPConn) {
	r.do(func(l poller.Loop) { l.Pause(id) })
}

func fillIt(r *rig, id poller.ID, _ *net.TCPConn) {
	r.do(func(l poller.Loop) {
		for huge := pattern(1 << 20); ; {
			if n, _ := l.Write(id, huge); n < len(huge) {
				return
			}
		}
	})
}

// end ends a link from one side.
type end struct {
	name   string
	act    func(r *rig, id poller.ID, p *net.TCPConn)
	peer   bool
	expect func(error) bool
}

var ends = []end{
	{"Close", func(r *rig, id poller.ID, _ *net.TCPConn) {
		r.do(func(l poller.Loop) { l.Close(id, errTest) })
	}, false, func(err error) bool { return err == errTest }},
	{"CloseWrite and Close", func(r *rig, id poller.ID, _ *net.TCPConn) {
		r.do(func(l poller.Loop) { l.CloseWrite(id); l.Close(id, errTest) })
	}, false, func(err error) bool { return err == errTest }},
	{"FIN", func(_ *rig, _ poller.ID, p *net.TCPConn) { p.CloseWrite() }, true,
		func(err error) bool { return err == poller.ErrPeerClosed }},
	{"reset", func(_ *rig, _ poller.ID, p *net.TCPConn) { reset(p) }, true,
		func(err error) bool { return err != nil }},
	{"Stop", func(r *rig, _ poller.ID, _ *net.TCPConn) { r.stop() }, false,
		func(err error) bool { return err == poller.ErrStopped }},
}

func closeMatrix(t *testing.T, open Open) {
	for _, s := range situations {
		for _, e := range ends {
			t.Run(fmt.Sprintf("%s by %s", s.name, e.name), func(t *testing.T) { closeOnce(t, open, s, e) })
		}
	}
}

func closeOnce(t *testing.T, open Open, s situation, e end) {
	reasons := make(chan error, 10)
	r := openRig(t, open, poller.Options{}, func(_ poller.Loop, s *script) {
		s.data = func(poller.ID, []byte) int { return 0 }
		s.close = func(_ poller.ID, reason error) { reasons <- reason }
	})
	id, p := r.link()
	s.enter(r, id, p)
	e.act(r, id, p)
	if s.held && e.peer {
		r.do(func(l poller.Loop) { l.Resume(id) })
	}
	if reason := wait(t, "OnClose", reasons); !e.expect(reason) {
		t.Errorf("closed with %v", reason)
	}
	r.stop()
	if len(reasons) > 0 {
		t.Errorf("OnClose came again, with %v", <-reasons)
	}
}
