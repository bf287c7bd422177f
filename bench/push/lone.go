package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/client/push"
)

// sender pushes stamped messages to the audience's rooms.
type sender struct {
	api      *push.Client
	goim     bool
	audience *audience
	body     int
}

func (s *sender) apiName() string {
	if s.goim {
		return "/goim/push/room"
	}
	return "/v1/push"
}

// next is the next message of r, stamped now. The caller owns r.
func (s *sender) next(r *room) push.Push {
	st := stamp{run: s.audience.run, room: r.number, index: r.next, sent: time.Since(s.audience.start)}
	r.next++
	return push.Push{Room: r.name, Op: 1000, Body: st.body(s.body)}
}

func (s *sender) one(ctx context.Context, p push.Push) error {
	if s.goim {
		return s.api.Goim(ctx, p)
	}
	_, err := s.api.Push(ctx, p)
	return err
}

// errMissing: a lone message did not arrive everywhere in time.
var errMissing = errors.New("bench: lost")

// lone pushes n messages, each when the one before has arrived everywhere and
// pause has passed. answered, if not nil, takes the time of the API's answers.
func (s *sender) lone(ctx context.Context, n int, pause, grace time.Duration, answered *measure.Latency) error {
	for i := range n {
		r := s.audience.rooms[i%len(s.audience.rooms)]
		s.audience.missing.Store(int64(r.members))
		p := s.next(r)
		before := time.Now()
		if err := s.one(ctx, p); err != nil {
			return fmt.Errorf("bench: message %d: %w", i, err)
		}
		if answered != nil {
			answered.Record(time.Since(before))
		}
		if err := s.audience.await(ctx, grace); err != nil {
			return fmt.Errorf("message %d of %d: %w", i, n, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// await returns when the message under way has arrived everywhere.
func (a *audience) await(ctx context.Context, grace time.Duration) error {
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-a.complete:
		return nil
	case <-late.C:
		return fmt.Errorf("%w: %d links have not got it after %v", errMissing, a.missing.Load(), grace)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Command) lone(ctx context.Context, s *sender, run *report.Run) error {
	run.Set("messages", c.Messages)
	run.Set("pause", c.Pause.String())
	answered := measure.NewLatency()
	err := s.lone(ctx, c.Messages, c.Pause, c.Grace, answered)
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	a := s.audience
	expected := 0
	for i := range c.Messages {
		expected += a.rooms[i%len(a.rooms)].members
	}
	r := run.Case("push alone", "")
	r.Add("expected", "deliveries", "", float64(expected))
	r.Add("delivered", "deliveries", "", float64(a.delivered.Load()))
	r.AddLatency("API to TCP socket", a.tcp.Summary())
	r.AddLatency("API to WebSocket", a.ws.Summary())
	r.AddLatency("API's answer", answered.Summary())
	a.faults(r)
	if err != nil {
		r.Fault("%v", err)
	}
	return nil
}

// faults that any run may have.
func (a *audience) faults(r *report.Case) {
	if n := a.wrong.Load(); n > 0 {
		r.Fault("%d deliveries came twice, out of order or in the wrong room", n)
	}
	ended := a.ended()
	if len(ended) > 0 {
		r.Fault("%d links ended, the first: %v", len(ended), ended[0])
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
