package ws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echoServer listens on loopback until the test ends and echoes messages. It
// is what a server does with this package, with a goroutine a connection in
// the place of an event loop.
func echoServer(t *testing.T) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var links []chan struct{}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			done := make(chan struct{})
			links = append(links, done)
			go func() {
				defer close(done)
				defer c.Close()
				new(echo).serve(c)
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-stopped
		for _, done := range links {
			<-done
		}
	})
	return ln.Addr().String()
}

// echo is one link of an echoServer.
type echo struct {
	open    bool
	state   State
	message []byte
	out     []byte // to be written
	end     bool   // close after that
}

func (e *echo) serve(c net.Conn) {
	var in []byte
	buf := make([]byte, 700) // small, so that frames come in pieces
	for !e.end {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for used := -1; used != 0 && !e.end; in = in[used:] {
			used = e.take(in)
		}
		if _, err := c.Write(e.out); err != nil {
			return
		}
		e.out = e.out[:0]
	}
}

// take uses some of in and says how much.
func (e *echo) take(in []byte) int {
	if e.open {
		return e.frame(in)
	}
	r, n, err := ParseRequest(in, HeadLimits{})
	var reject *RejectError
	switch {
	case errors.As(err, &reject):
		e.out, e.end = AppendReject(e.out, reject), true
	case n > 0:
		e.out, e.open = AppendAccept(e.out, &r), true
	}
	return n
}

func (e *echo) frame(in []byte) int {
	p, n, err := e.state.Next(in, Limits{})
	var fault *CloseError
	if errors.As(err, &fault) {
		e.out, e.end = AppendClose(e.out, fault.Code, fault.Reason), true
	}
	if n == 0 {
		return 0
	}
	switch p.Op {
	case OpPing:
		e.out = AppendFrame(e.out, OpPong, p.Payload)
	case OpClose:
		code, reason, _ := ParseClose(p.Payload)
		e.out, e.end = AppendClose(e.out, code, string(reason)), true
	case OpText, OpBinary:
		e.message = append(e.message, p.Payload...)
		if p.Fin {
			e.out = AppendFrame(e.out, p.Op, e.message)
			e.message = e.message[:0]
		}
	}
	return n
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestCoderClient(t *testing.T) {
	ctx := within(t)
	c, _, err := websocket.Dial(ctx, "ws://"+echoServer(t)+"/sub", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 21)
	for _, size := range lengths {
		for _, typ := range []websocket.MessageType{websocket.MessageBinary, websocket.MessageText} {
			want := bytes.Repeat([]byte{'a'}, size)
			if err := c.Write(ctx, typ, want); err != nil {
				t.Fatal(err)
			}
			gotTyp, got, err := c.Read(ctx)
			if err != nil || gotTyp != typ || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: %v, %d bytes, %v", size, gotTyp, len(got), err)
			}
		}
	}
	fragments(t, ctx, c)
	if err := c.Close(websocket.StatusCode(3004), "replaced"); err != nil {
		t.Errorf("our answer to its Close: %v", err)
	}
}

// fragments sends a message in pieces.
func fragments(t *testing.T, ctx context.Context, c *websocket.Conn) {
	t.Helper()
	w, err := c.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := w.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(ctx); err != nil || len(got) != 50_000 {
		t.Fatalf("10 pieces of 5,000 bytes: %d, %v", len(got), err)
	}
}

func TestCoderClientPing(t *testing.T) {
	ctx := within(t)
	c, _, err := websocket.Dial(ctx, "ws://"+echoServer(t)+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.CloseRead(ctx) // it reads pongs
	for range 3 {
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCoderClientReadsRejects(t *testing.T) {
	opts := &websocket.DialOptions{HTTPHeader: http.Header{}}
	for i := range 70 {
		opts.HTTPHeader.Set("X-"+strconv.Itoa(i), "1")
	}
	_, resp, err := websocket.Dial(within(t), "ws://"+echoServer(t)+"/", opts)
	if err == nil || resp == nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("%v, %v", resp, err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "too_many_fields\n" {
		t.Errorf("body %q", body)
	}
}

func TestGobwasClient(t *testing.T) {
	c, _, _, err := gobwas.Dial(within(t), "ws://"+echoServer(t)+"/sub")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range lengths {
		want := bytes.Repeat([]byte{0xa5}, size)
		if err := wsutil.WriteClientBinary(c, want); err != nil {
			t.Fatal(err)
		}
		got, err := wsutil.ReadServerBinary(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %d, %v", size, len(got), err)
		}
	}
	// A client that does not mask is told so.
	if err := gobwas.WriteFrame(c, gobwas.NewBinaryFrame([]byte("bare"))); err != nil {
		t.Fatal(err)
	}
	f, err := gobwas.ReadFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	code, reason := gobwas.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != gobwas.OpClose || code != gobwas.StatusProtocolError || reason != "unmasked" {
		t.Errorf("%v %d %q", f.Header.OpCode, code, reason)
	}
}
