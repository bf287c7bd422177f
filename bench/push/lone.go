package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/target"
	"github.com/oortim/oort/client/push"
)

// sender pushes stamped messages to the audience's rooms.
type sender struct {
	api      *push.Client
	goim     bool
	audience *audience
	body     int
}

// next is the next message of r, stamped with when it was due. The caller owns
// r.
func (s *sender) next(r *room, due time.Time) push.Push {
	st := stamp{run: s.audience.run, room: r.number, index: r.next, sent: due.Sub(s.audience.start)}
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
		before := time.Now()
		p := s.next(r, before)
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

// alone measures lone messages.
func (p point) alone(ctx context.Context, t *target.Target, s *sender, c *report.Case) error {
	a := s.audience
	answered := measure.NewLatency()
	m := startMeter(ctx, t)
	err := s.lone(ctx, p.Messages, p.Pause, p.Grace, answered)
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	used := m.stop(ctx)
	expected := 0
	for i := range p.Messages {
		expected += a.rooms[i%len(a.rooms)].members
	}
	if used.cpuOK {
		c.Add("CPU a message", "µs", report.Lower, float64(used.cpu.Microseconds())/float64(p.Messages))
	}
	a.latencies(c, answered)
	c.Add("delivered", "%", report.Higher, share(a.delivered.Load(), int64(expected)))
	if err != nil {
		c.Fault("%v", err)
	}
	return nil
}

// latencies of the messages, by transport, and of the API's answers.
func (a *audience) latencies(c *report.Case, answered *measure.Latency) {
	c.AddLatency("to TCP", a.tcp.Summary())
	c.AddLatency("to WebSocket", a.ws.Summary())
	c.AddLatency("API's answer", answered.Summary())
}

// share in percent; of nothing it is everything.
func share(n, of int64) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
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
