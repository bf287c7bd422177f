package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// stable is how long a link must live before its end counts as news and the
// backoff starts anew; otherwise a server that accepts and drops would be
// dialled in circles.
const stable = time.Minute

// Session is a link that comes back: it dials, reads, and after an end dials
// again with backoff, as the server advised where it did. Set the fields, then
// call Run; nothing is changed while Run runs.
type Session struct {
	Options Options // Handle is ignored: Run hands messages on
	Backoff Backoff
	// Addrs, if set, is asked before each try which addresses to dial, best
	// first; tries go through them in turn. Nil means Options.Addr.
	Addrs func(ctx context.Context) ([]string, error)
	// OnConnect, if set, is told of each new link, before its first message.
	// It must not wait for a reply, since messages wait behind it: calls, such
	// as AddAccepts, belong in a goroutine that it starts.
	OnConnect func(*Client)
	// OnLost, if set, is told why a link ended or a try failed, and how long
	// the wait is; negative if Run gives up.
	OnLost func(err error, wait time.Duration)

	mu    sync.Mutex // guards what follows
	link  *Client    // nil between links
	moved bool       // ChangeRoom was called; otherwise the room is that of Options
	room  string
}

// Run keeps the session up and hands each message to handle, on the calling
// goroutine. It returns when ctx is over (its error), when handle returns an
// error (that one), or when the server has said that coming back is useless (a
// *DisconnectError that is not Retryable) or Options are wrong (ErrAddr).
func (s *Session) Run(ctx context.Context, handle func(Message) error) error {
	for try := 0; ; try++ {
		start := time.Now()
		err := s.once(ctx, try, handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stop *handleError
		if errors.As(err, &stop) {
			return stop.error
		}
		if time.Since(start) > stable {
			try = -1 // the next dial is a first one again
		}
		wait := s.wait(err, max(try, 0))
		if s.OnLost != nil {
			s.OnLost(err, wait)
		}
		if wait < 0 {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// handleError marks what came from Run's handle.
type handleError struct{ error }

// wait says how long to wait after err, negative for ever.
func (s *Session) wait(err error, try int) time.Duration {
	if errors.Is(err, ErrAddr) && s.Addrs == nil {
		return -1
	}
	var d *DisconnectError
	if errors.As(err, &d) {
		if !d.Retryable() {
			return -1
		}
		if d.Retry > 0 { // the server has spread its advice
			return d.Retry
		}
	}
	return s.Backoff.Wait(try)
}

// once is one link from dial to end.
func (s *Session) once(ctx context.Context, try int, handle func(Message) error) error {
	c, err := s.dial(ctx, try)
	if err != nil {
		return err
	}
	defer func() {
		s.release()
		c.Close()
		<-c.Done()
	}()
	if s.OnConnect != nil {
		s.OnConnect(c)
	}
	for {
		m, err := c.Recv(ctx)
		if err != nil {
			return err
		}
		if err := handle(m); err != nil {
			return &handleError{err}
		}
	}
}

func (s *Session) dial(ctx context.Context, try int) (*Client, error) {
	o := s.Options
	o.Handle = nil
	if s.Addrs != nil {
		addrs, err := s.Addrs(ctx)
		if err != nil {
			return nil, err
		}
		if len(addrs) == 0 {
			return nil, ErrNoNodes
		}
		o.Addr = addrs[try%len(addrs)]
	}
	for {
		o.Room = s.Room()
		c, err := Dial(ctx, o)
		if err != nil {
			return nil, err
		}
		if s.hold(c, o.Room) {
			return c, nil
		}
		c.Close() // the room was changed meanwhile
		<-c.Done()
	}
}

// hold makes c the link of the moment, unless it asked for a room that is not
// the session's any more.
func (s *Session) hold(c *Client, room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roomLocked() != room {
		return false
	}
	s.link = c
	return true
}

func (s *Session) release() {
	s.mu.Lock()
	s.link = nil
	s.mu.Unlock()
}

// Client is the link of the moment, nil between links.
func (s *Session) Client() *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// Room that the session is in, or will be in when it is back.
func (s *Session) Room() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked()
}

func (s *Session) roomLocked() string {
	if s.moved {
		return s.room
	}
	return s.Options.Room
}

// ChangeRoom changes the room of this link and of those that follow. While
// there is no link it is remembered. With ErrRoomDenied the room stays what it
// was.
func (s *Session) ChangeRoom(ctx context.Context, room string) error {
	s.mu.Lock()
	moved, old := s.moved, s.room
	s.moved, s.room = true, room
	c := s.link
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	err := c.ChangeRoom(ctx, room)
	if errors.Is(err, ErrRoomDenied) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.room == room { // else it was changed again meanwhile
			s.moved, s.room = moved, old
		}
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
