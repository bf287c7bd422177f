package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// weighEvery is the time between two readings of a process's RSS.
const weighEvery = 100 * time.Millisecond

// weighing reads, while do runs, how much RSS the server has gained since.
func (g *rig) weighing(ctx context.Context, do func() error) (t report.Timeline, err error) {
	process := measure.OpenProcess(g.server.Pid())
	light, err := process.Memory()
	if err != nil {
		return t, err
	}
	t = report.Timeline{Name: "server RSS gained", Unit: "B"}
	start := time.Now()
	read := func() error {
		m, err := process.Memory()
		t.Seconds = append(t.Seconds, time.Since(start).Seconds())
		t.Values = append(t.Values, float64(m.RSS-light.RSS))
		return err
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	beat := time.NewTicker(weighEvery)
	defer beat.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return t, err
			}
			return t, read()
		case <-beat.C:
			if err := read(); err != nil {
				<-done
				return t, err
			}
		}
	}
}

// filling is more than two sockets hold for a link that does not read: 4 MB of
// tcp_wmem and 6 MB of tcp_rmem, at Linux's defaults.
const filling = 10 << 20

// dropped is what became of links that never read again.
type dropped struct {
	links int
	after time.Duration // from the beginning until the last was gone
	rss   report.Timeline
}

// drop has a server of its own bear links that do not read no longer than its
// write timeout: they are closed as slow, the others miss nothing, and every
// message has ended.
func (p slow) drop(ctx context.Context, r *suite.Round) error {
	g, err := openRig(ctx, r, append(slices.Clone(patient), fmt.Sprintf("--write-timeout=%v", p.Write))...)
	if err != nil {
		return err
	}
	if _, err := g.dial(ctx, swarm.DialArgs{Addrs: g.at(p.Transport), Links: p.links, Rooms: 1, Key: "drop-"}); err != nil {
		return err
	}
	g.Phase("who does not read is dropped after %v", p.Write)
	t, err := g.begin(ctx)
	if err != nil {
		return err
	}
	reply, err := g.swarm.Stall(ctx, swarm.StallArgs{Share: p.share})
	if err != nil {
		return err
	}
	d := dropped{links: reply.Stalled}
	fill := time.Duration(filling / (p.Rate * float64(p.Size)) * float64(time.Second))
	args := p.pushes(fill + p.Write)
	args.Run = t.run
	var pushed server.PushReply
	watch, enough := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.after = g.awaitDropped(watch, t, d.links)
	}()
	d.rss, err = g.weighing(ctx, func() (err error) {
		pushed, err = g.server.Push(ctx, args)
		return err
	})
	if err == nil {
		err = p.afterDrop(ctx, t, pushed, d.links)
	}
	enough()
	<-watched
	if err != nil {
		return err
	}
	if d.after == 0 {
		r.Case.Fault("%d links that do not read were not dropped %v after %v of messages", d.links, p.Write, fill)
		return nil
	}
	r.Case.Add("until the last was dropped", "s", report.Lower, d.after.Seconds())
	d.rss.Name = "server RSS gained, with the write timeout"
	r.Case.Trace(d.rss)
	return nil
}

const slowClosed = `oort_comet_closed_total{reason="slow"}`

// awaitDropped says when so many links had been closed as slow; 0: they were
// not, until the end of ctx.
func (g *rig) awaitDropped(ctx context.Context, t trial, links int) time.Duration {
	for {
		s, err := g.server.Stats(ctx, server.StatsArgs{})
		if err != nil {
			return 0 // the end of ctx, or of the server, which others notice
		}
		if int(s.Metrics[slowClosed]-t.before.Metrics[slowClosed]) >= links {
			return time.Since(t.start)
		}
		if pause(ctx, weighEvery) != nil {
			return 0
		}
	}
}

// afterDrop compares what the others have got with what the comet says. Messages
// that are on their way to a loop when a link is dropped may count for it or not.
func (p slow) afterDrop(ctx context.Context, t trial, pushed server.PushReply, links int) error {
	g := t.g
	ended, _, err := t.close(ctx, pushed.Concerns, 4*int64(links))
	if err != nil {
		return err
	}
	var sum int64
	for _, n := range ended {
		sum += int64(n)
	}
	g.Case.Add("routed to who was being dropped", "", "", float64(pushed.Concerns-sum))
	steady := int64(p.links - links)
	want := steady * pushed.Messages
	got, err := g.counts(ctx, func(c swarm.Counts) bool { return c.Messages-c.StalledMessages == want })
	if err != nil {
		return err
	}
	if n := got.Messages - got.StalledMessages; n != want || got.Least != pushed.Messages {
		g.Case.Fault("%d of %d messages arrived at the %d links that read, %d at the least; the comet says of %d: %v",
			n, want, steady, got.Least, pushed.Concerns, ended)
	}
	if delivered := int64(ended["delivered"]); got.Messages > delivered {
		g.Case.Fault("%d messages arrived, the comet says that it delivered %d", got.Messages, delivered)
	}
	return nil
}
