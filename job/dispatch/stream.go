package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/cometpb"
)

// errProtocol: the comet says what it must not say. The stream is broken off.
var errProtocol = errors.New("dispatch: the comet breaks the protocol")

// errRefused: another incarnation answers.
var errRefused = errors.New("dispatch: another incarnation answers")

// connect keeps a stream to the comet while it is located.
func (o *outlet) connect() {
	fails := 0
	for {
		addr, ok := o.target()
		if !ok {
			return
		}
		began, answered := o.cfg.Now(), o.answers.Load()
		err := o.session(addr)
		switch {
		case o.ctx.Err() != nil:
			return
		case errors.Is(err, errRefused):
			o.refuse(addr)
			continue
		}
		// A comet that welcomes and breaks off at once is not spun on.
		if o.answers.Load() > answered || o.cfg.Now().Sub(began) > time.Second {
			fails = 0
		}
		o.metrics.failures.Inc()
		if fails == 0 {
			o.cfg.Log.Warn("dispatch: stream to a comet ended; trying again",
				"server", string(o.server), "addr", addr, "err", err)
		}
		o.sleep(backoff(fails))
		fails++
	}
}

// target waits until there is an address to connect to; false means closed.
func (o *outlet) target() (addr string, ok bool) {
	for {
		o.mu.Lock()
		addr, ok := o.addr, o.located && !o.refused
		o.mu.Unlock()
		if ok && o.ctx.Err() == nil {
			return addr, true
		}
		select {
		case <-o.moved:
		case <-o.ctx.Done():
			return "", false
		}
	}
}

// refuse drops everything as closed, from now on, unless the address has changed
// meanwhile.
func (o *outlet) refuse(addr string) {
	o.mu.Lock()
	if o.addr != addr {
		o.mu.Unlock()
		return
	}
	o.refused = true
	verdicts := o.dropLocked(job.ReasonClosed, func(item) bool { return true })
	verdicts = append(verdicts, o.abandonLocked(job.ReasonClosed, func(*batch) bool { return true })...)
	relieved := o.settleLocked()
	o.mu.Unlock()
	o.cfg.Log.Info("dispatch: comet is another incarnation; its records are dropped as closed",
		"server", string(o.server), "addr", addr)
	o.finish(verdicts, relieved)
}

// session is one stream from dial to end. It always returns an error.
func (o *outlet) session(addr string) error {
	conn, closer, err := o.cfg.Dial(string(o.server), addr)
	if err != nil {
		return fmt.Errorf("dispatch: dial %q at %q: %w", o.server, addr, err)
	}
	if closer != nil {
		defer closer.Close()
	}
	ctx, cancel := context.WithCancel(o.ctx)
	defer cancel()
	stream, err := cometpb.NewCometClient(conn).Push(ctx)
	if err != nil {
		return streamError(err)
	}
	welcome, err := o.greet(stream, cancel)
	if err != nil {
		return err
	}
	o.attach(cancel, int(welcome.GetMaxBatchBytes()))
	defer o.detach()
	received := make(chan error, 1)
	go func() {
		received <- o.receive(stream)
		cancel()
	}()
	o.send(ctx, stream)
	cancel()
	return streamError(<-received)
}

type pushStream interface {
	Send(*cometpb.ToComet) error
	Recv() (*cometpb.FromComet, error)
}

// greet says Hello and waits for Welcome.
func (o *outlet) greet(stream pushStream, cancel func()) (*cometpb.Welcome, error) {
	timer := time.AfterFunc(o.cfg.HelloTimeout, cancel)
	defer timer.Stop()
	hello := &cometpb.Hello{Job: o.cfg.Job, Server: string(o.server)}
	// An error of Send is told by Recv.
	_ = stream.Send(&cometpb.ToComet{Kind: &cometpb.ToComet_Hello{Hello: hello}})
	m, err := stream.Recv()
	if err != nil {
		return nil, streamError(err)
	}
	welcome := m.GetWelcome()
	switch {
	case welcome == nil:
		return nil, fmt.Errorf("%w: %T instead of Welcome", errProtocol, m.GetKind())
	case welcome.GetServer() != string(o.server):
		return nil, fmt.Errorf("%w: %q instead of %q", errRefused, welcome.GetServer(), o.server)
	}
	return welcome, nil
}

// streamError names what a broken stream means.
func streamError(err error) error {
	if status.Code(err) == codes.FailedPrecondition {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

// attach makes a welcomed stream the one that sends. What was in flight is sent
// again, as it was, before anything else of its lane.
func (o *outlet) attach(cut context.CancelFunc, maxBytes int) {
	o.mu.Lock()
	o.cut = cut
	o.maxBytes = maxBytes
	if maxBytes <= 0 {
		o.maxBytes = o.cfg.BatchBytes
	}
	o.repeat = o.repeat[:0]
	for seq, b := range o.flights {
		if b.forgot {
			o.landLocked(seq, b)
			continue
		}
		o.repeat = append(o.repeat, b)
	}
	o.knowLocked(true)
	o.mu.Unlock()
	o.metrics.streams.Inc()
	signal(o.wake)
}

func (o *outlet) detach() {
	o.mu.Lock()
	o.cut = nil
	o.knowLocked(false)
	o.mu.Unlock()
	o.metrics.streams.Dec()
}

// send sends until the stream ends. An error of Send is told by Recv.
func (o *outlet) send(ctx context.Context, stream pushStream) {
	for {
		m := o.next()
		if m == nil {
			select {
			case <-o.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if stream.Send(m) != nil {
			return
		}
	}
}

// receive takes answers until the stream ends.
func (o *outlet) receive(stream pushStream) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		switch k := m.GetKind().(type) {
		case *cometpb.FromComet_Ack:
			err = o.answered(k.Ack)
		case *cometpb.FromComet_Rooms:
			o.changed(k.Rooms)
		case *cometpb.FromComet_Sync:
			err = o.echo(k.Sync.GetN())
		}
		if err != nil {
			return err
		}
	}
}

// sleep waits, but not longer than until the comet is located elsewhere.
func (o *outlet) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.moved:
	case <-o.ctx.Done():
	}
}

// backoff before the next stream: 20 ms doubling to 1 s, a half of it random.
func backoff(fails int) time.Duration {
	d := min(20*time.Millisecond<<min(fails, 6), time.Second)
	return d/2 + rand.N(d/2)
}
