package directed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// point is how many requests are under way, and how many pushes are in each; a
// suite.Point.
type point struct {
	scenario
	pushers, batch int
}

func (p point) Settings() []report.Setting {
	broker := "kfake"
	if p.KafkaLibs != "" {
		broker = "Apache Kafka"
	}
	return []report.Setting{report.Is("pushers", p.pushers), report.Is("batch", p.batch), report.Is("links", p.Links), report.Is("body", p.Body), report.Is("broker", broker)}
}

// warm is how long each of the two runs before it is measured.
const warm = time.Second

// grace is how long nothing may arrive before what is missing counts as lost.
const grace = 10 * time.Second

// Round is of suite.Point: a cluster, its clients, and both ways in turns.
func (p point) Round(ctx context.Context, r *suite.Round) error {
	t, err := p.open(ctx, r)
	if err != nil {
		return err
	}
	defer t.close()
	both := []func(context.Context) error{t.oort, t.bare}
	first := r.Nth % 2
	return errors.Join(both[first](ctx), both[1-first](ctx), t.compare())
}

// trial is one round under way.
type trial struct {
	point
	*suite.Round
	fleet *fleet.Fleet
	dir   string
	swarm swarm.Remote
	keys  []string
	pids  map[string]int

	rate map[string]float64 // pushes a second, by way
	cost map[string]float64 // CPU of servers a push, µs
}

// What is compared.
const (
	wayOort = "oort"
	wayBare = "bare"
)

// open starts the cluster and has the clients join.
func (p point) open(ctx context.Context, r *suite.Round) (t *trial, err error) {
	t = &trial{point: p, Round: r, rate: map[string]float64{}, cost: map[string]float64{}}
	if t.dir, err = os.MkdirTemp("", "oort-bench-"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	r.Phase("starting the cluster")
	o := p.fleet
	o.Dir, o.Base, o.CometFlags = t.dir, fleet.SomeBase(), []string{"--engine", r.Engine}
	if t.fleet, err = fleet.New(o); err != nil {
		return nil, err
	}
	if err := t.fleet.Start(ctx); err != nil {
		t.fleet = nil
		return nil, err
	}
	clients, err := r.Start(ctx, "swarm", "bench", "swarm", "--control")
	if err != nil {
		return nil, err
	}
	t.swarm = swarm.Remote{Child: clients}
	t.pids = map[string]int{ofBench: os.Getpid(), ofClients: clients.Pid()}
	for _, part := range t.fleet.Parts {
		t.pids[string(part.Kind)] = part.Pid()
	}
	return t, t.dial(ctx)
}

func (t *trial) dial(ctx context.Context) error {
	t.Phase("dialling %d links", t.Links)
	const name = "directed-"
	for i := range t.Links {
		t.keys = append(t.keys, fmt.Sprint(name, i))
	}
	reply, err := t.swarm.Dial(ctx, swarm.DialArgs{Addrs: []string{t.fleet.CometTCP(0)}, Links: t.Links, Key: name})
	if err == nil && reply.Live != t.Links {
		err = fmt.Errorf("bench: %d of %d links live; failed: %v", reply.Live, t.Links, reply.Failed)
	}
	return err
}

func (t *trial) close() {
	if t.fleet != nil {
		t.fleet.Kill()
	}
	_ = os.RemoveAll(t.dir) // it is temporary
}

// measured does one way for the trial's time, first unmeasured for warm, and
// books what it used. do returns how many pushes were stored.
func (t *trial) measured(way string, servers []string, do func(end time.Time) (int64, error)) (usage, error) {
	t.Phase("%s: warming up", way)
	if _, err := do(time.Now().Add(warm)); err != nil {
		return nil, err
	}
	t.Phase("%s", way)
	before, err := used(t.pids)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	stored, err := do(start.Add(t.Duration))
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := used(t.pids)
	if err != nil {
		return nil, err
	}
	spent := after.since(before)
	t.rate[way] = float64(stored) / took.Seconds()
	for name := range spent {
		spent[name] /= time.Duration(max(stored, 1))
	}
	t.cost[way] = micros(spent.sum(servers...))
	return spent, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// bare measures the bare loop, of which the bench's own process is the server.
func (t *trial) bare(ctx context.Context) error {
	b, err := openBare(ctx, t.fleet.RedisAddr(), t.fleet.KafkaAddr(), t.keys, t.Body)
	if err != nil {
		return err
	}
	defer b.close()
	_, err = t.measured(wayBare, []string{ofBench, string(fleet.Redis), string(fleet.Kafka)},
		func(end time.Time) (int64, error) { return b.run(ctx, t.pushers, end) })
	return err
}

// servers are the parts of an oort cluster, in the order of a push.
var servers = []string{string(fleet.Logic), string(fleet.Redis), string(fleet.Kafka), string(fleet.Job), string(fleet.Comet)}

// oort measures oort: what is stored has also arrived when it returns.
func (t *trial) oort(ctx context.Context) error {
	answered := measure.NewLatency()
	run := uint32(0)
	var profiles sync.WaitGroup
	failed := make(chan error, len(t.fleet.Parts))
	var got swarm.Counts
	spent, err := t.measured(wayOort, servers, func(end time.Time) (stored int64, err error) {
		if run++; run == 2 && t.Profile != "" {
			t.profile(ctx, &profiles, failed)
		}
		answered.Reset()
		if err := t.swarm.Reset(ctx, swarm.ResetArgs{Run: run}); err != nil {
			return 0, err
		}
		if stored, err = t.push(ctx, run, answered, end); err != nil {
			return 0, err
		}
		got, err = t.arrived(ctx, stored)
		return stored, err
	})
	profiles.Wait()
	close(failed)
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	c := t.Case
	c.Add("pushes", "/s", report.Higher, t.rate[wayOort])
	c.Add("CPU a push", "µs", report.Lower, t.cost[wayOort])
	for _, name := range append(servers, ofBench, ofClients) {
		c.Add("of it "+name, "µs", "", micros(spent[name]))
	}
	c.AddLatency("answer", answered.Summary())
	c.AddLatency("at the client", got.Latency)
	return nil
}

// profile has the parts write profiles of what is measured.
func (t *trial) profile(ctx context.Context, done *sync.WaitGroup, failed chan<- error) {
	for _, part := range t.fleet.Parts {
		if part.Admin == "" {
			continue
		}
		done.Go(func() {
			if err := profile(ctx, part, t.Profile, t.Duration); err != nil {
				failed <- err
			}
		})
	}
}

// push pushes until end and returns how many were stored, which are all.
func (t *trial) push(ctx context.Context, run uint32, answered *measure.Latency, end time.Time) (stored int64, err error) {
	pushers := make([]*pusher, t.pushers)
	clock := stamp.NewClock()
	for i := range pushers {
		p := &pusher{run: run, clock: clock, size: t.Body, batch: t.batch, answered: answered}
		for n := i; n < len(t.keys); n += t.pushers {
			p.keys = append(p.keys, key{name: t.keys[n]})
		}
		if err := p.open(t.fleet.LogicHTTP(0)); err != nil {
			return 0, err
		}
		defer p.conn.Close()
		pushers[i] = p
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(pushers))
	for _, p := range pushers {
		wg.Go(func() { errs <- p.push(ctx, end) })
	}
	wg.Wait()
	for _, p := range pushers {
		stored += p.stored
		err = errors.Join(err, <-errs)
	}
	return stored, err
}

// arrived waits until clients have got what was stored; what else there was is a
// fault.
func (t *trial) arrived(ctx context.Context, stored int64) (got swarm.Counts, err error) {
	for last, since := int64(-1), time.Now(); ; {
		s, err := t.swarm.Status(ctx)
		if err != nil {
			return got, err
		}
		if s.Messages != last {
			last, since = s.Messages, time.Now()
		}
		if s.Messages >= stored || time.Since(since) > grace {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got, err = t.swarm.Counts(ctx); err != nil {
		return got, err
	}
	if got.Messages != stored || got.Gaps+got.Doubles+got.Wrong > 0 || len(got.Lost) > 0 {
		t.Case.Fault("%d of %d messages arrived, %d passed over, %d doubled or out of order, %d wrong, links ended: %v",
			got.Messages, stored, got.Gaps, got.Doubles, got.Wrong, got.Lost)
	}
	return got, nil
}

// compare adds what the bare loop did in the same round.
func (t *trial) compare() error {
	if t.rate[wayOort] == 0 || t.rate[wayBare] == 0 {
		return nil // it has failed, and that has been said
	}
	t.Case.AddFloor("CPU a push", t.cost[wayBare])
	t.Case.Add("bare loop", "/s", "", t.rate[wayBare])
	t.Case.Add("pushes to those of the bare loop", "", report.Higher, t.rate[wayOort]/t.rate[wayBare])
	return nil
}
