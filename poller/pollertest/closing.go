package pollertest

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

var closing = []test{
	{"closing/from every side in every state", closeMatrix},
	{"closing/the first reason wins and the rest do nothing", closeFirst},
	{"closing/in each callback", closeInside},
	{"closing/OnClose may close others", closeChain},
	{"closing/an old ID does nothing to the slot's next tenant", closeStale},
	{"closing/CloseWrite lets the last bytes through and reading go on", closeWrite},
	{"closing/descriptors are reused without mixing links", closeReuse},
}

var errTest = errors.New("closed by the test")

func closeFirst(t *testing.T, open Open) {
	reasons := make(chan error, 10)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.close = func(id poller.ID, reason error) {
			l.Close(id, io.ErrNoProgress)
			reasons <- reason
		}
	})
	id, p := r.link()
	send(t, p, "bytes")
	p.CloseWrite()
	r.do(func(l poller.Loop) {
		if _, err := l.Write(id, nil); err != nil {
			return // the FIN was first
		}
		l.Close(id, errTest)
		l.Close(id, io.EOF)
		if len(reasons) > 0 {
			t.Error("OnClose came within Close")
		}
		if n, err := l.Write(id, []byte("x")); n != 0 || err != poller.ErrClosed {
			t.Errorf("Write after Close: %d, %v", n, err)
		}
		if n, err := l.Writev(id, [][]byte{[]byte("x")}); n != 0 || err != poller.ErrClosed {
			t.Errorf("Writev after Close: %d, %v", n, err)
		}
		l.Pause(id)
		l.Resume(id)
		l.CloseWrite(id)
	})
	if reason := wait(t, "OnClose", reasons); reason != errTest && reason != poller.ErrPeerClosed {
		t.Errorf("closed with %v", reason)
	}
}

func closeInside(t *testing.T, open Open) {
	for _, where := range []string{"OnOpen", "OnData", "OnWritable", "OnTask", "OnTurn"} {
		t.Run(where, func(t *testing.T) {
			reasons := make(chan error, 10)
			var link poller.ID
			closeAt := func(l poller.Loop, at string) {
				if at == where && link.Gen != 0 {
					l.Close(link, errTest)
					if len(reasons) > 0 {
						t.Error("OnClose came within Close")
					}
				}
			}
			r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
				s.open = func(id poller.ID, _ poller.Conn) {
					link = id
					closeAt(l, "OnOpen")
				}
				s.data = func(id poller.ID, in []byte) int {
					closeAt(l, "OnData")
					return len(in) / 2
				}
				s.writable = func(poller.ID) { closeAt(l, "OnWritable") }
				s.task = func(poller.Task) { closeAt(l, "OnTask") }
				s.turn = func(time.Time) time.Duration { closeAt(l, "OnTurn"); return -1 }
				s.close = func(_ poller.ID, reason error) {
					link = poller.ID{}
					reasons <- reason
				}
			})
			id, p := r.link()
			switch where {
			case "OnData":
				send(t, p, "bytes")
			case "OnWritable":
				fillIt(r, id, p)
				go io.Copy(io.Discard, p)
			case "OnTask":
				r.engine.Loops()[0].Post(poller.Task{})
			}
			if reason := wait(t, "OnClose", reasons); reason != errTest {
				t.Errorf("closed with %v", reason)
			}
		})
	}
}

func closeChain(t *testing.T, open Open) {
	const links = 50
	reasons := make(chan error, 2*links)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		var all []poller.ID
		s.open = func(id poller.ID, _ poller.Conn) { all = append(all, id) }
		s.close = func(id poller.ID, reason error) {
			reasons <- reason
			for i, other := range all {
				if other == id && i+1 < len(all) {
					l.Close(all[i+1], errTest)
				}
			}
		}
	})
	first, _ := r.link()
	for range links - 1 {
		r.link()
	}
	r.do(func(l poller.Loop) { l.Close(first, errTest) })
	for range links {
		if reason := wait(t, "OnClose", reasons); reason != errTest {
			t.Errorf("closed with %v", reason)
		}
	}
}

func closeStale(t *testing.T, open Open) {
	got := make(chan string, 10)
	closed := make(chan poller.ID, 10)
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		recorder(got)(l, s)
		s.close = func(id poller.ID, _ error) { closed <- id }
	})
	var old []poller.ID
	for range 20 {
		id, p := r.link()
		for _, was := range old {
			if was == id {
				t.Fatalf("%v was dealt twice", id)
			}
		}
		r.do(func(l poller.Loop) {
			for _, was := range old {
				l.Close(was, errTest)
				l.Pause(was)
				l.CloseWrite(was)
				if _, err := l.Write(was, []byte("for another")); err != poller.ErrClosed {
					t.Errorf("Write to %v, which is gone: %v", was, err)
				}
			}
			l.Write(id, []byte("hello"))
		})
		expect(t, p, []byte("hello"))
		send(t, p, "answer")
		if s := wait(t, "OnData", got); s != "answer" {
			t.Fatalf("got %q", s)
		}
		r.do(func(l poller.Loop) { l.Close(id, errTest) })
		if c := wait(t, "OnClose", closed); c != id {
			t.Fatalf("%v was closed, not %v", c, id)
		}
		old = append(old, id)
	}
}

func closeWrite(t *testing.T, open Open) {
	got := make(chan string, 10)
	reasons := make(chan error, 10)
	writable := false
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		recorder(got)(l, s)
		s.writable = func(poller.ID) { writable = true }
		s.close = func(_ poller.ID, reason error) { reasons <- reason }
	})
	id, p := r.link()
	r.do(func(l poller.Loop) {
		l.Write(id, []byte("last"))
		l.CloseWrite(id)
		l.CloseWrite(id)
		if n, err := l.Write(id, []byte("more")); n != 0 || err != poller.ErrClosed {
			t.Errorf("Write after CloseWrite: %d, %v", n, err)
		}
	})
	expect(t, p, []byte("last"))
	expectEnd(t, p)
	for range 3 {
		send(t, p, "still here")
		if s := wait(t, "OnData after CloseWrite", got); s != "still here" {
			t.Fatalf("got %q", s)
		}
	}
	if len(reasons) > 0 {
		t.Fatalf("closed with %v", <-reasons)
	}
	p.Close()
	if reason := wait(t, "OnClose", reasons); reason != poller.ErrPeerClosed {
		t.Errorf("closed with %v", reason)
	}
	// After a short write the FIN comes behind what was taken, and nothing more.
	id, p = r.link()
	taken := 0
	r.do(func(l poller.Loop) {
		n := 1
		for huge := pattern(1 << 20); n > 0; taken += n {
			n, _ = l.Write(id, huge)
		}
		l.CloseWrite(id)
	})
	if n, err := io.Copy(io.Discard, p); int(n) != taken || err != nil {
		t.Errorf("peer got %d of %d bytes, %v", n, taken, err)
	}
	r.do(func(poller.Loop) {
		if writable {
			t.Error("OnWritable came after CloseWrite")
		}
	})
}

// closeReuse has many links end at once and others take their descriptors and
// slots in the same turns. Each peer sends one byte value only, and each link
// must see but one.
func closeReuse(t *testing.T, open Open) {
	const peers, rounds = 40, 15
	values := map[poller.ID]byte{}
	var live []poller.ID
	r := openRig(t, open, poller.Options{}, func(l poller.Loop, s *script) {
		s.open = func(id poller.ID, _ poller.Conn) { live = append(live, id) }
		s.data = func(id poller.ID, in []byte) int {
			for _, b := range in {
				if was, ok := values[id]; ok && was != b {
					t.Errorf("%v saw bytes of two peers", id)
				}
				values[id] = b
			}
			if victim := live[int(in[0])%len(live)]; victim != id {
				l.Close(victim, errTest) // its event may be in this very turn
			}
			return len(in)
		}
		s.close = func(id poller.ID, _ error) {
			delete(values, id)
			for i := range live {
				if live[i] == id {
					live = append(live[:i], live[i+1:]...)
					break
				}
			}
		}
	})
	for round := range rounds {
		var conns []*net.TCPConn
		for range peers {
			conns = append(conns, r.dial())
		}
		for i, p := range conns {
			b := []byte{byte(round*peers + i), byte(round*peers + i)}
			p.Write(b) // may fail: a victim
		}
		for _, p := range conns {
			p.Close()
		}
	}
	r.eventually("all links end", func() (none bool) {
		r.do(func(poller.Loop) { none = len(live) == 0 })
		return none
	})
}
