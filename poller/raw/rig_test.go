//go:build linux || darwin || freebsd

package raw

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// echo is a handler that sends back what comes, whole records of size bytes.
type echo struct {
	loop poller.Loop
	size int
	ids  chan poller.ID
	wait time.Duration
}

func (e *echo) OnOpen(id poller.ID, _ poller.Conn) { e.ids <- id }
func (e *echo) OnData(id poller.ID, in []byte) int {
	used := len(in) / e.size * e.size
	e.loop.Write(id, in[:used])
	return used
}
func (e *echo) OnWritable(poller.ID)     {}
func (e *echo) OnClose(poller.ID, error) {}
func (e *echo) OnTask(t poller.Task) {
	switch ref := t.Ref.(type) {
	case *call:
		ref.f(e.loop.(*loop))
		close(ref.done)
	case chan struct{}:
		ref <- struct{}{}
	}
}
func (e *echo) OnTurn(time.Time) time.Duration { return e.wait }
func (e *echo) OnStop()                        {}

type call struct {
	f    func(*loop)
	done chan struct{}
}

// rig is an engine of one loop that echoes.
type rig struct {
	tb     testing.TB
	engine poller.Engine
	echo   *echo
}

func newRig(tb testing.TB, size int) *rig { return newRigHow(tb, Options{}, size) }

func newRigHow(tb testing.TB, how Options, size int) *rig {
	r := &rig{tb: tb, echo: &echo{size: size, ids: make(chan poller.ID, 1), wait: -1}}
	o := poller.Options{Loops: 1, Listen: []string{"127.0.0.1:0"}}
	o.NewHandler = func(l poller.Loop) poller.Handler {
		r.echo.loop = l
		return r.echo
	}
	var err error
	if r.engine, err = how.Open(o); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.engine.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return r
}

func (r *rig) link() (poller.ID, net.Conn) {
	c, err := net.Dial("tcp", r.engine.Addrs()[0].String())
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { c.Close() })
	return <-r.echo.ids, c
}

func (r *rig) do(f func(*loop)) {
	c := &call{f, make(chan struct{})}
	if !r.echo.loop.Post(poller.Task{Ref: c}) {
		r.tb.Fatal("Post was refused")
	}
	<-c.done
}
