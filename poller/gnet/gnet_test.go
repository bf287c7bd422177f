//go:build linux

package gnet

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	lib "github.com/panjf2000/gnet/v2"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// Importing gnet starts goroutines, which must be gone whatever else is run.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a handler of functions; nil means nothing, and that OnData uses
// all.
type scripted struct {
	loop poller.Loop
	ids  chan poller.ID
	data func(id poller.ID, in []byte) int
	turn func() time.Duration
}

func (h *scripted) OnOpen(id poller.ID, _ poller.Conn) { h.ids <- id }
func (h *scripted) OnWritable(poller.ID)               {}
func (h *scripted) OnClose(poller.ID, error)           {}
func (h *scripted) OnStop()                            {}
func (h *scripted) OnTask(t poller.Task) {
	c := t.Ref.(*call)
	c.f(h.loop.(*loop))
	close(c.done)
}

func (h *scripted) OnData(id poller.ID, in []byte) int {
	if h.data == nil {
		return len(in)
	}
	return h.data(id, in)
}

func (h *scripted) OnTurn(time.Time) time.Duration {
	if h.turn == nil {
		return -1
	}
	return h.turn()
}

type call struct {
	f    func(*loop)
	done chan struct{}
}

// rig is an engine of one loop.
type rig struct {
	t      testing.TB
	engine poller.Engine
	*scripted
}

func newRig(t testing.TB, h *scripted, o poller.Options) *rig {
	r := &rig{t: t, scripted: h}
	h.ids = make(chan poller.ID, 100)
	o.Loops, o.Listen = 1, []string{"127.0.0.1:0"}
	o.NewHandler = func(l poller.Loop) poller.Handler {
		h.loop = l
		return h
	}
	var err error
	if r.engine, err = Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.engine.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) link() (poller.ID, *net.TCPConn) {
	c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return <-r.ids, c.(*net.TCPConn)
}

func (r *rig) do(f func(*loop)) {
	c := &call{f, make(chan struct{})}
	if !r.loop.Post(poller.Task{Ref: c}) {
		r.t.Fatal("Post was refused")
	}
	<-c.done
}

func (r *rig) until(what string, cond func(*loop) bool) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		holds := false
		r.do(func(l *loop) { holds = cond(l) })
		if holds {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("never happened: %s", what)
		}
	}
}

// However a link ends, its rest goes back; and a link without one holds none.
func TestRestsAreGivenBack(t *testing.T) {
	r := newRig(t, &scripted{data: func(_ poller.ID, in []byte) int { return len(in) / 10 * 10 }}, poller.Options{})
	held := func(want int) {
		t.Helper()
		r.until("the rests that there should be", func(l *loop) bool { return l.rests.Held() == want })
	}
	_, p := r.link()
	p.Write([]byte("half"))
	held(1)
	p.Write([]byte("of ten"))
	held(0)
	p.Write([]byte("half"))
	held(1)
	p.Close()
	held(0)
	id, p := r.link()
	p.Write([]byte("half"))
	held(1)
	r.do(func(l *loop) { l.Close(id, poller.ErrStopped) })
	held(0)
}

// A peer that sends to a paused link fills sockets, and no memory of ours.
func TestPausedLinkIsNotRead(t *testing.T) {
	var sum int
	h := &scripted{}
	h.data = func(id poller.ID, in []byte) int {
		h.loop.Pause(id)
		sum++
		return 1
	}
	r := newRig(t, h, poller.Options{MaxRest: 1000})
	id, p := r.link()
	p.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan error, 1)
	const size = 1 << 24
	go func() {
		_, err := p.Write(make([]byte, size))
		sent <- err
	}()
	for range 50 {
		r.until("a pause", func(l *loop) bool { return l.links.find(id).paused })
		r.do(func(l *loop) {
			if n := len(l.rests.Bytes(l.links.find(id).rest)); n > 1000+1024 {
				t.Errorf("%d bytes are held for a paused link", n)
			}
			l.Resume(id)
		})
	}
	r.do(func(*loop) {
		if len(sent) > 0 {
			t.Error("the peer got rid of everything")
		}
		used := sum
		h.data = func(_ poller.ID, in []byte) int { used += len(in); sum = used; return len(in) }
	})
	r.until("all bytes", func(l *loop) bool { l.Resume(id); return sum == size })
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// Between two turns that ask not to sleep, gnet polls: what a peer has sent
// before a turn is read before the turn after the next.
func TestBusyTurnsLeaveLinksTheirTurn(t *testing.T) {
	var peer *net.TCPConn
	var since, rounds int
	done := make(chan bool, 1)
	h := &scripted{}
	h.data = func(_ poller.ID, in []byte) int {
		if rounds++; rounds == 100 {
			done <- true
		}
		since = 0
		return len(in)
	}
	h.turn = func() time.Duration {
		switch {
		case peer == nil || rounds == 100:
			return -1
		case since == 0:
			peer.Write([]byte("x"))
		case since > 2:
			t.Errorf("%d turns without reading", since)
		}
		since++
		return 0
	}
	r := newRig(t, h, poller.Options{})
	_, p := r.link()
	r.do(func(*loop) { peer = p })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the link had no turn")
	}
}

// Urgent data raises another event than data does; it must not be raised for
// ever.
func TestUrgentDataDoesNotSpin(t *testing.T) {
	turns := 0
	r := newRig(t, &scripted{turn: func() time.Duration { turns++; return -1 }}, poller.Options{})
	_, p := r.link()
	raw, err := p.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	if err != nil {
		t.Fatal(err)
	}
	var before, after int
	r.do(func(*loop) { before = turns })
	used := processTime()
	time.Sleep(100 * time.Millisecond) // the time in which it would spin
	r.do(func(*loop) { after = turns })
	if used := processTime() - used; after-before > 4 || used > 50*time.Millisecond {
		t.Errorf("%d turns and %v of CPU in 100 ms with nothing to do", after-before, used)
	}
}

func processTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A gnet that is built in another way is refused when it is opened, not met
// when the first link pauses.
func TestEpollIsLookedFor(t *testing.T) {
	type poller struct{ fd int }
	type unlike struct {
		lib.EventLoop
		poller *poller
	}
	notEpoll, other, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer notEpoll.Close()
	defer unix.Close(other)
	for name, events := range map[string]lib.EventLoop{
		"none":                    nil,
		"without a poller":        struct{ lib.EventLoop }{},
		"with a nil poller":       &unlike{},
		"with another descriptor": &unlike{poller: &poller{other}},
	} {
		if _, err := epollOf(events); !errors.Is(err, errNoEpoll) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkAccept is a connect, OnOpen, and the close of both sides.
func BenchmarkAccept(b *testing.B) {
	r := newRig(b, &scripted{}, poller.Options{})
	for b.Loop() {
		c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
		if err != nil {
			b.Fatal(err)
		}
		id := <-r.ids
		r.do(func(l *loop) { l.Close(id, poller.ErrStopped) })
		io.Copy(io.Discard, c)
		c.Close()
	}
}
