//go:build linux

package uring

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// server is a handler of one loop. What a test does not set does nothing, and
// uses all bytes.
type server struct {
	opened chan poller.ID
	closed chan error // the first reason
	data   func(l *loop, id poller.ID, in []byte) int
	wait   time.Duration
	loop   *loop
}

func (s *server) OnOpen(id poller.ID, _ poller.Conn) { s.opened <- id }
func (s *server) OnData(id poller.ID, in []byte) int {
	if s.data == nil {
		return len(in)
	}
	return s.data(s.loop, id, in)
}
func (s *server) OnWritable(poller.ID) {}
func (s *server) OnClose(_ poller.ID, reason error) {
	if len(s.closed) < cap(s.closed) {
		s.closed <- reason
	}
}
func (s *server) OnTask(t poller.Task) {
	switch ref := t.Ref.(type) {
	case *call:
		ref.f(s.loop)
		close(ref.done)
	case chan struct{}:
		ref <- struct{}{}
	}
}
func (s *server) OnTurn(time.Time) time.Duration { return s.wait }
func (s *server) OnStop()                        {}

type call struct {
	f    func(*loop)
	done chan struct{}
}

// rig is an engine of one loop.
type rig struct {
	tb     testing.TB
	engine poller.Engine
	server *server
}

// open opens a rig. data, which may be nil, is its OnData.
func open(tb testing.TB, o poller.Options, data func(l *loop, id poller.ID, in []byte) int) *rig {
	r := &rig{tb: tb, server: &server{data: data, opened: make(chan poller.ID, 1), closed: make(chan error, 1), wait: -1}}
	o.Loops, o.Listen = 1, []string{"127.0.0.1:0"}
	o.NewHandler = func(l poller.Loop) poller.Handler {
		r.server.loop = l.(*loop)
		return r.server
	}
	var err error
	if r.engine, err = Open(o); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.engine.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return r
}

func (r *rig) link() (poller.ID, *net.TCPConn) {
	c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		r.tb.Fatal(err)
	}
	return <-r.server.opened, c.(*net.TCPConn)
}

// do runs f on the loop and waits for its end.
func (r *rig) do(f func(*loop)) {
	c := &call{f, make(chan struct{})}
	if !r.server.loop.Post(poller.Task{Ref: c}) {
		r.tb.Fatal("Post was refused")
	}
	<-c.done
}

// eventually waits until f, called on the loop, says true.
func (r *rig) eventually(what string, f func(*loop) bool) {
	r.tb.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ok := false
		if r.do(func(l *loop) { ok = f(l) }); ok {
			return
		}
		if time.Now().After(end) {
			r.tb.Fatalf("never happened: %s", what)
		}
	}
}
