//go:build linux

package netpoll

import (
	"context"
	"io"
	"net"
	"testing"

	lib "github.com/cloudwego/netpoll"
)

// BenchmarkBareEcho is BenchmarkEcho of ./poller/engines without the adapter:
// what the library itself takes.
func BenchmarkBareEcho(b *testing.B) {
	server, err := lib.NewEventLoop(func(_ context.Context, c lib.Connection) error {
		p, err := c.Reader().Next(c.Reader().Len())
		if err == nil {
			_, err = c.Write(p)
		}
		_ = c.Reader().Release()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(ln)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer server.Shutdown(context.Background())
	defer c.Close()
	message := make([]byte, 26)
	for b.Loop() {
		c.Write(message)
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
	}
}
