// Package client is the Go SDK of oort: one Client is one link to a comet,
// over TCP or WebSocket; a Session is a link that comes back.
//
//	c, err := client.Dial(ctx, client.Options{Addr: "tcp://127.0.0.1:3101", Mid: 7, Room: "live://1000"})
//	if err != nil { … }
//	defer c.Close()
//	for {
//		m, err := c.Recv(ctx)
//		if err != nil { … }
//		fmt.Printf("%d %s\n", m.Op, m.Body)
//	}
//
// A link costs one goroutine: 3 KB of heap and 2 KB of stack on TCP, 13 KB and 4 KB
// on WebSocket (measured over 2,000 idle links of each), so that thousands of
// them fit in a test.
package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/oortim/oort/proto/frame"
)

// Client is one link. Its methods may be called from any goroutine.
type Client struct {
	o        Options // immutable
	wire     wire
	messages chan Message  // nil if o.Handle is set; closed by the reader at its end
	closing  chan struct{} // closed by fail
	done     chan struct{} // closed by the reader at its end

	frames  atomic.Uint64 // frames read: the sign of life of the server
	blocked atomic.Bool   // the reader waits for Recv
	online  atomic.Int64  // as of the last heartbeat reply; -1 before

	wmu sync.Mutex // serialises wire.write

	mu      sync.Mutex // guards what follows
	err     error      // why the link ended; set once
	seq     uint32
	pending map[uint32]chan<- frame.Frame
	beat    heartbeat
}

// Dial connects to a comet and logs in. It returns when the server has
// answered, or after Options.Timeout, or when ctx is over; ctx has no say
// afterwards. If the server refuses the login the error is a
// *DisconnectError.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w, err := dialWire(ctx, &o)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, wire: w, closing: make(chan struct{}), done: make(chan struct{})}
	c.online.Store(-1)
	if err := c.handshake(ctx); err != nil {
		return nil, err
	}
	if o.Handle == nil {
		c.messages = make(chan Message, o.Buffer)
	}
	go c.run()
	c.startHeartbeat()
	return c, nil
}

// handshake sends the auth frame and waits for its reply, which the server
// sends before anything else.
func (c *Client) handshake(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.wire.close)
	err := c.login()
	if !stop() { // the connection is closed, even if the login was in time
		err = fmt.Errorf("client: handshake with %q: %w", c.o.Addr, context.Cause(ctx))
	}
	if err != nil {
		c.wire.close()
	}
	return err
}

func (c *Client) login() error {
	body, err := c.o.auth()
	if err != nil {
		return err
	}
	c.seq = 1
	writeErr := c.wire.write(frame.Append(nil, frame.OpAuth, c.seq, body))
	// A server that refuses at once says why before it closes, even where our
	// write has failed.
	f, err := c.wire.next()
	switch {
	case err != nil && writeErr != nil:
		return writeErr
	case err != nil:
		return err
	case f.Op == frame.OpDisconnect:
		return parseDisconnect(f.Body)
	case f.Op != frame.OpAuthReply:
		return fmt.Errorf("%w: op %d instead of an auth reply", ErrProtocol, f.Op)
	}
	return nil
}

// run reads until the link ends.
func (c *Client) run() {
	var err error
	for err == nil {
		var f frame.Frame
		if f, err = c.wire.next(); err == nil {
			c.frames.Add(1)
			err = c.dispatch(f)
		}
	}
	c.fail(err)
	if c.messages != nil {
		close(c.messages)
	}
	close(c.done)
}

func (c *Client) dispatch(f frame.Frame) error {
	switch {
	case f.Op == frame.OpDisconnect:
		return parseDisconnect(f.Body)
	case isMessage(f.Op):
		m, err := toMessage(f, c.o.Handle == nil)
		if err != nil {
			return err
		}
		return c.deliver(m)
	case f.Op == frame.OpHeartbeatReply:
		c.countOnline(f.Body)
	}
	c.answer(f)
	return nil
}

// deliver hands m to the receiver and waits while it is busy: then the
// socket fills, and the server knows what to do with a slow link.
func (c *Client) deliver(m Message) error {
	if c.o.Handle != nil {
		c.blocked.Store(true)
		c.o.Handle(m)
		c.blocked.Store(false)
		return nil
	}
	select {
	case c.messages <- m:
		return nil
	default:
	}
	c.blocked.Store(true)
	defer c.blocked.Store(false)
	select {
	case c.messages <- m:
		return nil
	case <-c.closing:
		return ErrClosed
	}
}

func (c *Client) countOnline(body []byte) {
	if len(body) < 4 {
		return
	}
	n := int32(binary.BigEndian.Uint32(body))
	c.online.Store(int64(n))
	if c.o.OnOnline != nil {
		c.o.OnOnline(int(n))
	}
}

// Recv waits for the next message. When the link has ended and every message
// that came before is taken, the error says why it ended: a *DisconnectError,
// ErrLost, ErrSilent, ErrProtocol or ErrClosed.
func (c *Client) Recv(ctx context.Context) (Message, error) {
	if c.messages == nil {
		return Message{}, errors.New("client: Recv with Options.Handle set")
	}
	select {
	case m, ok := <-c.messages:
		if !ok {
			return m, c.Err()
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

// Messages is the channel behind Recv, closed when the link has ended; Err
// says why. Nil if Options.Handle is set.
func (c *Client) Messages() <-chan Message { return c.messages }

// Done is closed when the link has ended and its goroutine is gone.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the link ended; nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Addr is where the link was dialled.
func (c *Client) Addr() string { return c.o.Addr }

// Online is the room's online count as of the last heartbeat reply, -1 before
// the first.
func (c *Client) Online() int { return int(c.online.Load()) }

// Close ends the link at once. It may be called often, in Options.Handle too;
// Done tells when all is released. The error is always nil.
func (c *Client) Close() error {
	c.fail(ErrClosed)
	return nil
}

// fail ends the link, whoever ends it; the first reason stays.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.beat.stop()
	c.mu.Unlock()
	close(c.closing)
	c.wire.close()
}

// write sends one frame. A write that fails tells nobody: the connection is
// broken, and the reader finds out, perhaps behind the server's last words,
// which say more. Only one that ran out of time ends the link here, since half
// a frame may be on its way.
func (c *Client) write(op frame.Op, seq uint32, body []byte) {
	b := frame.Append(make([]byte, 0, frame.HeaderLen+len(body)), op, seq, body)
	c.wmu.Lock()
	err := c.wire.write(b)
	c.wmu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		c.fail(err)
	}
}
