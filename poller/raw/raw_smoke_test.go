package raw

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

type echo struct{ l poller.Loop }

func (e echo) OnOpen(id poller.ID, c poller.Conn)        {}
func (e echo) OnData(id poller.ID, in []byte) int        { e.l.Write(id, in); return len(in) }
func (e echo) OnWritable(id poller.ID)                   {}
func (e echo) OnClose(id poller.ID, reason error)        {}
func (e echo) OnTask(t poller.Task)                      {}
func (e echo) OnTurn(now time.Time) (wait time.Duration) { return -1 }
func (e echo) OnStop()                                   {}

func TestSmoke(t *testing.T) {
	e, err := Open(poller.Options{Listen: []string{"127.0.0.1:0"}, NewHandler: func(l poller.Loop) poller.Handler { return echo{l} }})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		c, err := net.Dial("tcp", e.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		for range 100 {
			c.Write([]byte("hello"))
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
	ctx, f := context.WithTimeout(context.Background(), 5*time.Second)
	defer f()
	t0 := time.Now()
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(t0), e.Stats())
}
