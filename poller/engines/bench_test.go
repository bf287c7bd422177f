package engines

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/oortim/oort/poller"
)

// echo is a handler that sends back what comes.
type echo struct {
	idle
	loop   poller.Loop
	opened chan poller.ID
}

func (e echo) OnOpen(id poller.ID, _ poller.Conn) { e.opened <- id }
func (e echo) OnTask(t poller.Task)               { t.Ref.(func(poller.Loop))(e.loop) }
func (e echo) OnData(id poller.ID, in []byte) int {
	e.loop.Write(id, in)
	return len(in)
}

// each runs f for every engine of this platform, with one loop.
func each(b *testing.B, f func(b *testing.B, e poller.Engine, opened <-chan poller.ID)) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			opened := make(chan poller.ID, 1)
			o := options
			o.NewHandler = func(l poller.Loop) poller.Handler { return echo{loop: l, opened: opened} }
			e, err := Open(name, o)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Stop(context.Background())
			b.ReportAllocs()
			f(b, e, opened)
		})
	}
}

func dial(b *testing.B, e poller.Engine) net.Conn {
	c, err := net.Dial("tcp", e.Addrs()[0].String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkEcho is a message of 26 bytes there and back.
func BenchmarkEcho(b *testing.B) {
	each(b, func(b *testing.B, e poller.Engine, opened <-chan poller.ID) {
		c := dial(b, e)
		<-opened
		message := make([]byte, 26)
		for b.Loop() {
			c.Write(message)
			if _, err := io.ReadFull(c, message); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWriteEach sends 26 bytes to 100 links whose peers read them; an
// operation is one link.
func BenchmarkWriteEach(b *testing.B) {
	const links = 100
	each(b, func(b *testing.B, e poller.Engine, opened <-chan poller.ID) {
		var ids []poller.ID
		for range links {
			go io.Copy(io.Discard, dial(b, e))
			ids = append(ids, <-opened)
		}
		block, taken := make([]byte, 26), make([]int32, links)
		done := make(chan bool)
		b.ResetTimer()
		e.Loops()[0].Post(poller.Task{Ref: func(l poller.Loop) {
			for n := 0; n < b.N; n += links {
				l.WriteEach(ids, block, taken)
			}
			done <- true
		}})
		<-done
	})
}
