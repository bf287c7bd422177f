package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// rig is the server under test and the swarm of its clients, a process each,
// for one round.
type rig struct {
	*suite.Round
	server server.Remote
	swarm  swarm.Remote
	addrs  server.Addresses
	links  int    // that were dialled
	run    uint32 // stamps of the newest measurement
	grace  time.Duration
}

// grace is how long nothing may arrive before what is missing counts as lost.
const grace = 10 * time.Second

// openRig starts both. The server listens for TCP and WebSocket, on ports of
// the kernel's choice; flags are its further flags.
func openRig(ctx context.Context, r *suite.Round, flags ...string) (*rig, error) {
	g, err := startRig(ctx, r, "server", append([]string{"--tcp=127.0.0.1:0", "--ws=127.0.0.1:0"}, flags...)...)
	if err != nil {
		return nil, err
	}
	g.addrs, err = g.server.Addresses(ctx)
	return g, err
}

// startRig starts the server that is the command name below bench, on the
// round's engine, and a swarm. It does not know yet where to dial.
func startRig(ctx context.Context, r *suite.Round, name string, flags ...string) (*rig, error) {
	r.Phase("starting the server")
	args := append([]string{"bench", name, "--engine=" + r.Engine, fmt.Sprintf("--loops=%d", r.Loops)}, flags...)
	under, err := r.Start(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	clients, err := r.Start(ctx, "swarm", "bench", "swarm", "--control")
	if err != nil {
		return nil, err
	}
	return &rig{Round: r, server: server.Remote{Child: under}, swarm: swarm.Remote{Child: clients}, grace: grace}, nil
}

// stuck adds to the error of a dial that did not end how far it came.
func (g *rig) stuck(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.grace)
	defer cancel()
	s, asked := g.swarm.Status(ctx)
	if asked != nil {
		return err // and its swarm with it
	}
	return fmt.Errorf("%w: %d links live, %d dialling, %d retries; failed: %v, lost: %v", err, s.Live, s.Dialling, s.Retries, s.Failed, s.Lost)
}

// at are the addresses to dial for a transport.
func (g *rig) at(transport string) (addrs []string) {
	if transport != "ws" {
		addrs = append(addrs, g.addrs.TCP...)
	}
	if transport != "tcp" {
		addrs = append(addrs, g.addrs.WS...)
	}
	return addrs
}

// A server that lets less than a thousand links a second in, and that for
// longer than patience, has stopped doing so.
const patience = time.Minute

// dial opens links; all of them must live.
func (g *rig) dial(ctx context.Context, args swarm.DialArgs) (swarm.DialReply, error) {
	g.Phase("dialling %d links", args.Links)
	ctx, cancel := context.WithTimeout(ctx, patience+time.Duration(args.Links)*time.Millisecond)
	defer cancel()
	reply, err := g.swarm.Dial(ctx, args)
	if err != nil {
		return reply, g.stuck(err)
	}
	if reply.Live != args.Links {
		err = fmt.Errorf("%d of %d links live; failed: %v", reply.Live, args.Links, reply.Failed)
	}
	g.links += reply.Live
	return reply, err
}

// settle waits until the swarm has got want messages, or none for grace.
func (g *rig) settle(ctx context.Context, want int64) error {
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	last, since := int64(-1), time.Now()
	for {
		s, err := g.swarm.Status(ctx)
		if err != nil {
			return err
		}
		if s.Messages != last {
			last, since = s.Messages, time.Now()
		}
		if s.Messages >= want || time.Since(since) > g.grace {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
		}
	}
}

// cpu is what both processes have used, and what the machine has done beside
// them: other programs, and what the kernel did without charging a process.
type cpu struct{ server, swarm, others time.Duration }

func (g *rig) cpu() (c cpu, err error) {
	if c.server, err = measure.OpenProcess(g.server.Pid()).CPU(); err != nil {
		return c, err
	}
	if c.swarm, err = measure.OpenProcess(g.swarm.Pid()).CPU(); err != nil {
		return c, err
	}
	all, err := measure.ReadMachine()
	c.others = all.Busy - c.server - c.swarm
	return c, err
}

func (c cpu) since(before cpu) cpu {
	return cpu{c.server - before.server, c.swarm - before.swarm, max(c.others-before.others, 0)} // the machine's clock is coarse
}

// spent is what both processes use while do runs, and how long that takes.
func (g *rig) spent(do func() error) (used cpu, took time.Duration, err error) {
	before, err := g.cpu()
	if err != nil {
		return used, 0, err
	}
	start := time.Now()
	if err := do(); err != nil {
		return used, 0, err
	}
	took = time.Since(start)
	after, err := g.cpu()
	return after.since(before), took, err
}

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// awaitLive waits until the server holds n links, and fails after grace.
func (g *rig) awaitLive(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, g.grace)
	defer cancel()
	for {
		s, err := g.server.Stats(ctx, server.StatsArgs{})
		if err != nil {
			return err
		}
		live := s.Metrics[`oort_comet_links{state="live"}`] + s.Metrics[`oort_comet_links{state="other"}`]
		if int(live) == n {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("the server holds %v links, expected %d: %w", live, n, err)
		}
	}
}

// profiled does what is measured, under a CPU profile of the server if one is
// wanted.
func (g *rig) profiled(ctx context.Context, do func() error) error {
	if g.Profile == "" {
		return do()
	}
	if err := g.server.Profile(ctx, g.Profile); err != nil {
		return err
	}
	return errors.Join(do(), g.server.Profile(ctx, ""))
}
