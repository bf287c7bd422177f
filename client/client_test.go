package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/proto/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// both runs a test over TCP and WebSocket.
func both(t *testing.T, test func(t *testing.T, scheme string)) {
	for _, scheme := range []string{"tcp", "ws"} {
		t.Run(scheme, func(t *testing.T) { test(t, scheme) })
	}
}

func dial(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); <-c.Done() })
	return c
}

func want(t *testing.T, c *client.Client, op int32, body string) client.Message {
	t.Helper()
	m, err := c.Recv(within(t))
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	if m.Op != op || string(m.Body) != body {
		t.Fatalf("got %d %q, want %d %q", m.Op, m.Body, op, body)
	}
	return m
}

func TestAuthBodyAndMessages(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		auth := make(chan map[string]any, 1)
		long := strings.Repeat("x", 9000)
		addr := serve(t, scheme, func(p *peer) {
			p.accept()
			auth <- p.auth
			p.send(mk(frame.OpAuthReply, p.seq, ""), mk(1000, 0, "with the reply"))
			p.send(mk(1000, 1, "one"))
			p.send(mk(1001, 2, "two"), mk(1002, 3, long), mk(50, 9, "unknown op, not for the receiver"))
			p.send(mk(frame.OpGap, 0, `{"room":"live://1000","lane":"chat","skipped":37}`))
			p.send(mk(1003, 4, ""))
			p.echo()
		})
		c := dial(t, client.Options{Addr: addr, Mid: 123, Key: "k", Room: "live://1000", Platform: "go", Accepts: []int32{1000, 18}})
		got := <-auth
		if got["mid"] != 123.0 || got["key"] != "k" || got["room_id"] != "live://1000" || got["platform"] != "go" ||
			fmt.Sprint(got["accepts"]) != "[1000 18]" || got["token"] != nil {
			t.Errorf("auth body %v", got)
		}
		want(t, c, 1000, "with the reply")
		want(t, c, 1000, "one")
		want(t, c, 1001, "two")
		want(t, c, 1002, long)
		m := want(t, c, 18, `{"room":"live://1000","lane":"chat","skipped":37}`)
		if m.Gap == nil || *m.Gap != (client.Gap{Room: "live://1000", Lane: "chat", Skipped: 37}) {
			t.Errorf("gap %+v", m.Gap)
		}
		want(t, c, 1003, "")
	})
}

func TestCalls(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		requests := make(chan string, 10)
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			for {
				f, err := p.recv()
				if err != nil {
					return
				}
				requests <- fmt.Sprintf("%d %s", f.Op, f.Body)
				if f.Op == frame.OpHeartbeat {
					p.send(online(f.Seq, 42))
					continue
				}
				p.send(mk(1000, 77, "between"), mk(f.Op+1, f.Seq, "re:"+string(f.Body)))
			}
		})
		c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
		ctx := within(t)
		steps := []struct {
			do   func() error
			want string
		}{
			{func() error { return c.ChangeRoom(ctx, "live://2") }, "12 live://2"},
			{func() error { return c.AddAccepts(ctx, 1000, 18) }, "14 1000,18"},
			{func() error { return c.RemoveAccepts(ctx, 1000) }, "16 1000"},
			{func() error {
				b, err := c.Send(ctx, []byte("hi"))
				if string(b) != "re:hi" {
					t.Errorf("reply %q", b)
				}
				return err
			}, "4 hi"},
			{func() error {
				n, err := c.Heartbeat(ctx)
				if n != 42 || c.Online() != 42 {
					t.Errorf("online %d, %d", n, c.Online())
				}
				return err
			}, "2 "},
		}
		for _, s := range steps {
			if err := s.do(); err != nil {
				t.Fatalf("%s: %v", s.want, err)
			}
			if got := <-requests; got != s.want {
				t.Errorf("request %q, want %q", got, s.want)
			}
		}
		for range 4 {
			want(t, c, 1000, "between")
		}
	})
}

// Replies go to the call of their seq, whatever their order.
func TestPipelinedRepliesOutOfOrder(t *testing.T) {
	const n = 10
	addr := serve(t, "tcp", func(p *peer) {
		p.welcome()
		var held []frame.Frame
		for len(held) < n {
			f, err := p.recv()
			if err != nil {
				return
			}
			held = append(held, f)
		}
		for i := n - 1; i >= 0; i-- {
			p.send(mk(frame.OpMessageReply, held[i].Seq, string(held[i].Body)))
		}
		p.echo()
	})
	c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
	errs := make(chan error, n)
	for i := range n {
		go func() {
			body := fmt.Sprint(i)
			got, err := c.Send(within(t), []byte(body))
			if err == nil && string(got) != body {
				err = fmt.Errorf("call %s got %q", body, got)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestCallAbandonedByContextLeavesTheLink(t *testing.T) {
	release := make(chan struct{})
	addr := serve(t, "tcp", func(p *peer) {
		p.welcome()
		f, _ := p.recv()
		<-release
		p.send(mk(f.Op+1, f.Seq, "late"))
		p.echo()
	})
	c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := c.Send(ctx, []byte("a")); !errors.Is(err, context.Canceled) {
		t.Fatalf("abandoned call: %v", err)
	}
	close(release)
	if got, err := c.Send(within(t), []byte("b")); err != nil || string(got) != "b" {
		t.Fatalf("next call: %q, %v", got, err)
	}
}

func TestWrongReplyOp(t *testing.T) {
	addr := serve(t, "tcp", func(p *peer) {
		p.welcome()
		f, _ := p.recv()
		p.send(mk(frame.OpChangeRoomReply, f.Seq, ""))
		p.echo()
	})
	c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
	if _, err := c.Send(within(t), nil); !errors.Is(err, client.ErrProtocol) {
		t.Fatalf("got %v", err)
	}
}

// A room that is denied is an error of its own, and the session stays in its
// room; an answer of another server than ours is none.
func TestRoomDenied(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			for {
				f, err := p.recv()
				if err != nil {
					return
				}
				body := ""
				if string(f.Body) == "vip://1" {
					body = `{"error":"denied"}`
				}
				p.send(mk(f.Op+1, f.Seq, body))
			}
		})
		s := &client.Session{Options: client.Options{Addr: addr, Room: "live://1", Heartbeat: -1}, Backoff: quick()}
		up, done := make(chan struct{}), make(chan error, 1)
		s.OnConnect = func(*client.Client) { close(up) }
		ctx, stop := context.WithCancel(within(t))
		go func() { done <- s.Run(ctx, func(client.Message) error { return nil }) }()
		<-up
		for _, step := range []struct {
			room, now string
			err       error
		}{
			{"vip://1", "live://1", client.ErrRoomDenied},
			{"live://2", "live://2", nil},
			{"vip://1", "live://2", client.ErrRoomDenied},
		} {
			if err := s.ChangeRoom(ctx, step.room); !errors.Is(err, step.err) || s.Room() != step.now {
				t.Errorf("to %s: %v, in %s; want %v, %s", step.room, err, s.Room(), step.err, step.now)
			}
		}
		stop()
		<-done
	})
}

const drain = `{"code":3005,"reason":"draining","retry_ms":4200}`

var draining = client.DisconnectError{Code: client.CodeDraining, Reason: "draining", Retry: 4200 * time.Millisecond}

func TestDisconnectEndsAfterWhatCameBefore(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			p.recv() // the call that will never be answered
			p.send(mk(1000, 0, "last"))
			p.send(mk(frame.OpDisconnect, 0, drain))
			p.recv() // until the client has gone
		})
		c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
		var d *client.DisconnectError
		if _, err := c.Send(within(t), nil); !errors.As(err, &d) || *d != draining {
			t.Errorf("call under way: %v", err)
		}
		want(t, c, 1000, "last")
		if _, err := c.Recv(within(t)); !errors.As(err, &d) || *d != draining {
			t.Errorf("Recv: %v", err)
		}
		<-c.Done()
		if _, err := c.Send(within(t), nil); !errors.As(err, &d) {
			t.Errorf("call afterwards: %v", err)
		}
	})
}

func TestRetryable(t *testing.T) {
	for body, want := range map[string]bool{
		`{"code":3005,"reason":"draining","retry_ms":10}`:   true,
		`{"code":3005,"reason":"draining"}`:                 true,
		`{"code":3003,"reason":"auth_denied"}`:              false,
		`{"code":3003,"reason":"auth_denied","retry_ms":0}`: true, // the server goes before the table
		`{"code":3009,"reason":"overloaded","retry_ms":-1}`: false,
		`{"code":4000,"reason":"new"}`:                      true,
	} {
		addr := serve(t, "tcp", func(p *peer) {
			p.accept()
			p.send(mk(frame.OpDisconnect, 0, body))
			p.recv()
		})
		_, err := client.Dial(within(t), client.Options{Addr: addr})
		var d *client.DisconnectError
		if !errors.As(err, &d) || d.Retryable() != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A close code of the private range is the reason too.
func TestCloseCode(t *testing.T) {
	addr := serve(t, "ws", func(p *peer) {
		p.welcome()
		p.recv()
		p.conn.Close(3004, "replaced")
	})
	c := dial(t, client.Options{Addr: addr, Heartbeat: -1})
	var d *client.DisconnectError
	if _, err := c.Send(within(t), nil); !errors.As(err, &d) || d.Code != client.CodeReplaced || d.Reason != "replaced" || d.Retryable() {
		t.Errorf("got %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	refused := func(p *peer) {
		p.accept()
		p.send(mk(frame.OpDisconnect, 0, `{"code":3003,"reason":"auth_denied","retry_ms":-1}`))
	}
	tests := []struct {
		name   string
		addr   func(t *testing.T) string
		target error
	}{
		{"nobody listens", func(t *testing.T) string { return "tcp://" + closedPort(t) }, nil},
		{"nobody listens, ws", func(t *testing.T) string { return "ws://" + closedPort(t) }, nil},
		{"scheme", func(t *testing.T) string { return "udp://127.0.0.1:1" }, client.ErrAddr},
		{"no host", func(t *testing.T) string { return "tcp://" }, client.ErrAddr},
		{"empty", func(t *testing.T) string { return "" }, client.ErrAddr},
		{"refused", func(t *testing.T) string { return serve(t, "tcp", refused) }, &client.DisconnectError{}},
		{"refused, ws", func(t *testing.T) string { return serve(t, "ws", refused) }, &client.DisconnectError{}},
		{"closed at once", func(t *testing.T) string { return serve(t, "tcp", func(p *peer) {}) }, client.ErrLost},
		{"closed at once, ws", func(t *testing.T) string { return serve(t, "ws", func(p *peer) {}) }, client.ErrLost},
		{"not the protocol", func(t *testing.T) string {
			return serve(t, "tcp", func(p *peer) { p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); p.recv() })
		}, client.ErrProtocol},
		{"another op first", func(t *testing.T) string {
			return serve(t, "tcp", func(p *peer) { p.send(mk(1000, 0, "")); p.recv() })
		}, client.ErrProtocol},
		{"another path", func(t *testing.T) string { return serve(t, "ws", (*peer).echo) + "/other" }, nil},
		{"silence", func(t *testing.T) string { return serve(t, "tcp", func(p *peer) { p.accept(); p.recv() }) }, context.DeadlineExceeded},
		{"silence, ws", func(t *testing.T) string { return serve(t, "ws", func(p *peer) { p.accept(); p.recv() }) }, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := 5 * time.Second
			if tt.target == context.DeadlineExceeded {
				timeout = 50 * time.Millisecond
			}
			c, err := client.Dial(within(t), client.Options{Addr: tt.addr(t), Timeout: timeout})
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			d, wantD := error(nil), tt.target
			if _, ok := wantD.(*client.DisconnectError); ok {
				var de *client.DisconnectError
				if !errors.As(err, &de) || de.Code != client.CodeAuthDenied || de.Retryable() {
					t.Errorf("got %v", err)
				}
				return
			}
			if d = tt.target; d != nil && !errors.Is(err, d) {
				t.Errorf("got %v, want %v", err, d)
			}
		})
	}
}

func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestHeartbeatsAndOnline(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) { p.welcome(); p.echo() })
		counts := make(chan int, 100)
		dial(t, client.Options{Addr: addr, Heartbeat: time.Millisecond, OnOnline: func(n int) {
			select {
			case counts <- n:
			default:
			}
		}})
		for range 5 {
			if n := <-counts; n != 7 {
				t.Fatalf("online %d", n)
			}
		}
	})
}

func TestSilentServerIsLeft(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			for {
				if _, err := p.recv(); err != nil {
					return
				}
			}
		})
		c := dial(t, client.Options{Addr: addr, Heartbeat: time.Millisecond, Timeout: 400 * time.Millisecond})
		if _, err := c.Recv(within(t)); !errors.Is(err, client.ErrSilent) {
			t.Errorf("got %v", err)
		}
	})
}

// A server that answers no heartbeat but sends messages lives.
func TestMessagesAreSignsOfLife(t *testing.T) {
	var beats atomic.Int32
	addr := serve(t, "tcp", func(p *peer) {
		p.welcome()
		for {
			f, err := p.recv()
			if err != nil {
				return
			}
			if f.Op == frame.OpHeartbeat {
				beats.Add(1)
				p.send(mk(1000, 0, "alive"))
			}
		}
	})
	c := dial(t, client.Options{Addr: addr, Heartbeat: time.Millisecond, Timeout: 400 * time.Millisecond})
	for range 4 {
		want(t, c, 1000, "alive")
	}
	if beats.Load() < 4 {
		t.Errorf("%d heartbeats", beats.Load())
	}
}

// A receiver that takes its time is no silence of the server.
func TestSlowReceiverIsNotSilence(t *testing.T) {
	var beats atomic.Int32
	enough := make(chan struct{})
	addr := serve(t, "tcp", func(p *peer) {
		p.welcome()
		for i := range 50 {
			p.send(mk(1000, uint32(i), "m"))
		}
		for {
			if _, err := p.recv(); err != nil {
				return
			}
			if beats.Add(1) == 3 {
				close(enough)
			}
		}
	})
	c := dial(t, client.Options{Addr: addr, Buffer: 1, Heartbeat: time.Millisecond, Timeout: 300 * time.Millisecond})
	<-enough // two timeouts have passed without a frame read
	for range 40 {
		want(t, c, 1000, "m")
	}
}

func TestCloseWhileBusy(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			for {
				if _, err := p.Write(mk(1000, 0, "flood")); err != nil {
					return
				}
			}
		})
		c := dial(t, client.Options{Addr: addr, Buffer: 1})
		want(t, c, 1000, "flood")
		c.Close()
		<-c.Done()
		for range c.Messages() { // what was taken before
		}
		if err := c.Err(); !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHandle(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			p.send(mk(1000, 0, "a"), mk(1000, 0, "b"))
			p.echo()
		})
		got := make(chan string, 2)
		c := dial(t, client.Options{Addr: addr, Handle: func(m client.Message) { got <- string(m.Body) }})
		if a, b := <-got, <-got; a != "a" || b != "b" {
			t.Errorf("got %q %q", a, b)
		}
		if _, err := c.Recv(within(t)); err == nil {
			t.Error("Recv beside Handle")
		}
	})
}

func TestBrokenBatch(t *testing.T) {
	addr := serve(t, "ws", func(p *peer) {
		p.welcome()
		p.send(frame.Append(nil, frame.OpBatch, 0, mk(1000, 0, "cut off")[:20]))
		p.recv()
	})
	c := dial(t, client.Options{Addr: addr})
	if _, err := c.Recv(within(t)); !errors.Is(err, client.ErrProtocol) {
		t.Errorf("got %v", err)
	}
}

// However the bytes are cut, the same frames come out; the lengths lie around
// those at which the read buffer grows.
func TestFramesInPieces(t *testing.T) {
	sizes := []int{0, 1, 495, 496, 497, 1008, 1, 5000, 0, 496, 2}
	for _, piece := range []int{1, 7, 511, 512, 513, 100_000} {
		addr := serve(t, "tcp", func(p *peer) {
			p.welcome()
			var all []byte
			for i, n := range sizes {
				all = append(all, mk(1000, uint32(i), strings.Repeat("x", n))...)
			}
			for len(all) > 0 {
				n := min(piece, len(all))
				p.Write(all[:n])
				all = all[n:]
			}
			p.recv()
		})
		c := dial(t, client.Options{Addr: addr})
		for i, n := range sizes {
			if m := want(t, c, 1000, strings.Repeat("x", n)); m.Seq != uint32(i) {
				t.Errorf("pieces of %d: frame %d has seq %d", piece, i, m.Seq)
			}
		}
	}
}

func TestFrameOverTheLimit(t *testing.T) {
	both(t, func(t *testing.T, scheme string) {
		addr := serve(t, scheme, func(p *peer) {
			p.welcome()
			p.send(mk(1000, 0, strings.Repeat("x", 2000)))
			p.recv()
		})
		c := dial(t, client.Options{Addr: addr, MaxFrame: 1000})
		if m, err := c.Recv(within(t)); err == nil {
			t.Errorf("took a frame of %d bytes", len(m.Body))
		}
	})
}
