//go:build linux

package gnet

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

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

// starve leaves the process spare descriptors only, until the function that it
// returns is called.
func starve(t *testing.T, spare int) (relieve func()) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 100
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var hogs []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		hogs = append(hogs, fd)
	}
	for _, fd := range hogs[:spare] {
		unix.Close(fd)
	}
	return func() {
		for _, fd := range hogs[spare:] {
			unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
}
