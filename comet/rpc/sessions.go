package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/oortim/oort/proto/logicpb"
)

// sessions carries batches over one stream to logic, several in flight; answers
// come in the order of the requests. A broken stream is opened anew by the next
// batch. Logins whose answer comes when nobody waits for it any more are given
// back: their links were told that logic is away.
type sessions struct {
	client logicpb.LogicClient
	server string
	ctx    context.Context // of the streams
	end    context.CancelFunc
	wg     sync.WaitGroup

	turn chan struct{} // one place: a lock whose waiting a context ends; held while opening
	live *pipe         // guarded by turn; nil: none
}

// pipe is one life of the stream.
type pipe struct {
	stream grpc.BidiStreamingClient[logicpb.SessionBatch, logicpb.SessionResults]
	cancel context.CancelFunc

	// turn has one place and is held while sending, so that the order of waiting
	// is that of sending. It is not mu: sending blocks while logic does not read,
	// and logic may read only when its answers are taken.
	turn chan struct{}

	mu      sync.Mutex
	waiting []*waiter // guarded by mu
	err     error     // guarded by mu; set once the pipe is broken
}

// waiter waits for the answer to one batch.
type waiter struct {
	answer chan result // has room for the one
	left   bool        // guarded by the pipe's mu; nobody takes the answer
}

type result struct {
	reply *logicpb.SessionResults
	err   error
}

var errBroken = errors.New("comet/rpc: stream of sessions broke")

func newSessions(c logicpb.LogicClient, server string) *sessions {
	ctx, cancel := context.WithCancel(context.Background())
	return &sessions{client: c, server: server, ctx: ctx, end: cancel, turn: make(chan struct{}, 1)}
}

func (s *sessions) close() {
	s.end()
	s.turn <- struct{}{} // whoever opens a stream now has begun to be waited for
	<-s.turn
	s.wg.Wait()
}

// exchange sends one batch and waits for its answer, over as many streams as
// ctx gives time for.
func (s *sessions) exchange(ctx context.Context, b *logicpb.SessionBatch) (*logicpb.SessionResults, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		reply, err := s.once(ctx, b)
		if err == nil || ctx.Err() != nil || s.ctx.Err() != nil {
			return reply, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		case <-s.ctx.Done():
			return nil, err
		}
	}
}

func (s *sessions) once(ctx context.Context, b *logicpb.SessionBatch) (*logicpb.SessionResults, error) {
	p, err := s.pipe(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.send(ctx, b)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-w.answer:
		return r.reply, r.err
	case <-ctx.Done():
	}
	if r, came := p.leave(w); came {
		return r.reply, r.err
	}
	return nil, ctx.Err()
}

// giveBackTime bounds the giving back of logins that were answered too late.
// What remains is a ghost, which comparing with the stored sessions finds.
const giveBackTime = 30 * time.Second

// giveBack disconnects those that a late answer let in. Called by readers only,
// for which close waits.
func (s *sessions) giveBack(late *logicpb.SessionResults) {
	b := &logicpb.SessionBatch{Server: s.server}
	for _, c := range late.Connected {
		if c.Status == logicpb.Status_STATUS_OK {
			b.Disconnects = append(b.Disconnects, &logicpb.Disconnect{Link: c.Link, Key: c.Key, Mid: c.Mid, Epoch: c.Epoch})
		}
	}
	if len(b.Disconnects) == 0 {
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, giveBackTime)
		defer cancel()
		_, _ = s.exchange(ctx, b) // see giveBackTime
	})
}

// lock takes the place in turn, unless ctx is over first.
func lock(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pipe returns the living stream, opening one if there is none.
func (s *sessions) pipe(ctx context.Context) (*pipe, error) {
	if err := lock(ctx, s.turn); err != nil {
		return nil, err
	}
	defer func() { <-s.turn }()
	if s.live != nil && !s.live.broken() {
		return s.live, nil
	}
	if s.ctx.Err() != nil {
		return nil, s.ctx.Err()
	}
	own, cancel := context.WithCancel(s.ctx)
	stop := context.AfterFunc(ctx, cancel) // opening may block while a connection is made
	stream, err := s.client.Sessions(own)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	p := &pipe{stream: stream, cancel: cancel, turn: make(chan struct{}, 1)}
	s.live = p
	s.wg.Go(func() { p.read(s.giveBack) })
	return p, nil
}

func (p *pipe) broken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// send sends one batch; its answer will come to the waiter. A stream that takes
// nothing for as long as ctx allows is ended.
func (p *pipe) send(ctx context.Context, b *logicpb.SessionBatch) (*waiter, error) {
	if err := lock(ctx, p.turn); err != nil {
		return nil, err
	}
	defer func() { <-p.turn }()
	w, err := p.expect()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	if err := p.stream.Send(b); err != nil {
		p.cancel() // and read fails all who wait
		return nil, err
	}
	return w, nil
}

// expect makes the place for the answer to what is sent next.
func (p *pipe) expect() (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	w := &waiter{answer: make(chan result, 1)}
	p.waiting = append(p.waiting, w)
	return w, nil
}

// leave says that nobody waits any more, unless the answer came just now.
func (p *pipe) leave(w *waiter) (r result, came bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case r = <-w.answer:
		return r, true
	default:
		w.left = true
		return r, false
	}
}

// read hands out answers until the stream breaks, those that nobody waits for
// to late.
func (p *pipe) read(late func(*logicpb.SessionResults)) {
	defer p.cancel()
	for {
		reply, err := p.stream.Recv()
		taken, ok := p.deliver(reply, err)
		switch {
		case !ok:
			return
		case !taken:
			late(reply)
		}
	}
}

// deliver hands one answer to whoever waits longest; taken is false if nobody
// does any more, ok is false if the stream has broken.
func (p *pipe) deliver(reply *logicpb.SessionResults, err error) (taken, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || len(p.waiting) == 0 {
		p.failLocked(err)
		return false, false
	}
	w := p.waiting[0]
	p.waiting = p.waiting[1:]
	if w.left {
		return false, true
	}
	w.answer <- result{reply: reply}
	return true, true
}

func (p *pipe) failLocked(err error) {
	if err == nil {
		err = errBroken
	}
	p.err = err
	for _, w := range p.waiting {
		w.answer <- result{err: err} // has room: one answer each
	}
	p.waiting = nil
}
