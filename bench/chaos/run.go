package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oortim/oort/bench/chaos/check"
	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/bench/chaos/proxy"
)

// Times of the end of a run.
const (
	// quietMost bounds the wait for Config.quiet.
	quietMost = 90 * time.Second
	// gather bounds the time until all clients are there at the start.
	gather = time.Minute
)

// run is one run under way.
type run struct {
	Config
	telling sync.Mutex
	out     io.Writer // guarded by telling; progress
	start   time.Time
	fleet   *fleet.Fleet
	proxies map[string]*proxy.Proxy
	crowd   *crowd
	pushers *pushers
	books   *books
	breaker *breaker
}

// execute runs a scenario and returns its history. The error is of the rig, not
// of what it tests; parts that ended by themselves are returned as faults. Once
// the cluster serves, the end of ctx only cuts the run short: everything is
// mended, what is under way arrives, and the history is as good as any.
func execute(ctx context.Context, cfg Config, out io.Writer) (h *history.Run, faults []error, err error) {
	r := &run{Config: cfg, out: out, start: time.Now(), proxies: map[string]*proxy.Proxy{}}
	if err := r.open(ctx); err != nil {
		r.close()
		return nil, nil, err
	}
	defer r.close()
	return r.run(ctx)
}

func (r *run) clock() time.Duration { return time.Since(r.start) }

func (r *run) tell(format string, args ...any) {
	r.telling.Lock()
	defer r.telling.Unlock()
	fmt.Fprintf(r.out, "%8.3fs  %s\n", r.clock().Seconds(), fmt.Sprintf(format, args...))
}

// open starts the cluster, with a proxy in front of Redis, Kafka and each
// comet's gRPC.
func (r *run) open(ctx context.Context) error {
	base := fleet.SomeBase()
	o := fleet.Options{Dir: r.Dir, Base: base, Oort: r.Oort, Kfake: r.Kfake, KafkaLibs: r.KafkaLibs, Env: r.Env,
		Logics: r.Logics, Jobs: r.Jobs, Comets: r.Comets, Via: fleet.Via{}}
	if r.MaxHold > 0 {
		o.JobFlags = []string{"--max-hold", r.MaxHold.String()}
	}
	plain, err := fleet.New(o) // to learn the addresses
	if err != nil {
		return err
	}
	behind := map[string]string{"redis": plain.RedisAddr(), "kafka": plain.KafkaAddr()}
	for i := range plain.Comets() {
		behind[fmt.Sprintf("comet-%d", i+1)] = plain.CometRPC(i)
	}
	host := 101
	for name, addr := range behind {
		p, err := proxy.Listen(fmt.Sprintf("%s.%d:0", base, host), addr)
		if err != nil {
			return err
		}
		host++
		r.proxies[name] = p
		o.Via[addr] = p.Addr()
	}
	if r.fleet, err = fleet.New(o); err != nil {
		return err
	}
	r.tell("starting %d parts at %s; %s", len(r.fleet.Parts), base, r.fleet.Kafka)
	return r.fleet.Start(ctx)
}

func (r *run) close() {
	if r.fleet != nil {
		r.fleet.Kill()
	}
	for _, p := range r.proxies {
		p.Close()
	}
}

func (r *run) run(ctx context.Context) (*history.Run, []error, error) {
	r.crowd = &crowd{clock: r.clock, rooms: r.Rooms, moving: r.Moving, pace: r.Pace}
	for i := range r.fleet.Comets() {
		r.crowd.addrs = append(r.crowd.addrs, []string{r.fleet.CometTCP(i), r.fleet.CometWS(i)})
	}
	r.pushers = newPushers(r.clock, r.Seed, r.Links, r.Rooms)
	for i := range r.fleet.Logics() {
		r.pushers.addLogic(fmt.Sprintf("logic-%d", i+1), r.fleet.LogicHTTP(i))
	}
	r.books = newBooks(r.clock)
	r.breaker = &breaker{clock: r.clock, fleet: r.fleet, proxies: r.proxies, books: r.books, tell: r.tell, down: map[string]bool{}}

	watching, stopWatching := context.WithCancel(context.Background())
	var watchers sync.WaitGroup
	watchers.Go(func() { r.breaker.watch(watching) })
	watchers.Go(func() { r.books.run(watching, r.fleet.Parts) })
	watchers.Go(func() { r.progress(watching) })
	ended := r.live(ctx)
	r.pushers.close()
	stopWatching()
	watchers.Wait()
	drops, err := readDrops(context.Background(), r.fleet.KafkaAddr(), r.start)
	if err != nil {
		return nil, nil, err
	}
	return &history.Run{Seed: r.Seed, Deadline: answerIn, Ended: ended, Links: r.crowd.links, Pushes: r.pushers.list,
		Events: r.breaker.events, Drops: drops, Ledger: r.books.entries}, append(r.breaker.errs, r.books.faults()...), nil
}

// live has clients come, pushers push and parts break, in that order, and ends
// them in the other. It returns when what was under way had arrived.
func (r *run) live(ctx context.Context) (ended time.Duration) {
	clients, endClients := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	for i := range r.Links {
		crowd.Go(func() { r.crowd.run(clients, i, r.rng(2, i)) })
	}
	r.gather(ctx)
	r.tell("%d clients are there", r.crowd.joined.Load())

	pushing, endPushing := context.WithCancel(context.Background())
	var pushers sync.WaitGroup
	for i := range r.Pushers {
		pushers.Go(func() { r.pushers.push(pushing, i, r.Rate/float64(r.Pushers), r.rng(3, i)) })
	}
	r.breaker.run(ctx, r.acts)
	if ctx.Err() != nil {
		r.tell("interrupted: what was done until now is judged; once more ends it at once")
	}
	sleep(ctx, r.Duration-(r.clock()-r.began()))
	sleep(ctx, r.calm)
	endPushing()
	pushers.Wait()
	r.tell("pushers have ended; waiting for what is under way")
	r.settle()
	ended = r.clock()
	for _, p := range r.fleet.Parts {
		r.books.look(p)
	}
	endClients()
	crowd.Wait()
	return ended
}

// began is when pushers began: what the duration counts from.
func (r *run) began() time.Duration {
	r.pushers.mu.Lock()
	defer r.pushers.mu.Unlock()
	if len(r.pushers.list) == 0 {
		return r.clock()
	}
	return r.pushers.list[0].Begun
}

// rng makes the n-th of a kind its own source, the same for the same seed.
func (r *run) rng(kind uint64, n int) *rand.Rand {
	return rand.New(rand.NewPCG(r.Seed, kind<<32|uint64(n)))
}

func (r *run) gather(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, gather)
	defer cancel()
	for ctx.Err() == nil && r.crowd.joined.Load() < int64(r.Links) {
		sleep(ctx, 10*time.Millisecond)
	}
}

// settle waits until nothing has arrived for a while.
func (r *run) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), quietMost)
	defer cancel()
	seen, since := r.crowd.seen.Load(), time.Now()
	for ctx.Err() == nil && time.Since(since) < r.quiet {
		sleep(ctx, 50*time.Millisecond)
		if now := r.crowd.seen.Load(); now != seen {
			seen, since = now, time.Now()
		}
	}
}

// progress says every ten seconds how far it is.
func (r *run) progress(ctx context.Context) {
	var made, seen uint64
	for {
		sleep(ctx, 10*time.Second)
		if ctx.Err() != nil {
			return
		}
		m, s := r.pushers.made.Load(), r.crowd.seen.Load()
		r.tell("%d links, %d pushes (%d/s), %d messages seen (%d/s)", r.crowd.joined.Load(), m, (m-made)/10, s, (s-seen)/10)
		made, seen = m, s
	}
}

// ErrViolated: a promise was broken, or a part ended by itself.
var ErrViolated = errors.New("chaos: what is promised did not hold")

// errNothing: a run in which nothing had to arrive shows nothing.
var errNothing = errors.New("chaos: no link was owed a message, so nothing has been judged")

// told is how many stories of each rule are printed; the file has them all.
const told = 3

// judge prints the verdict on h, keeps what is needed to look into a failure,
// and returns ErrViolated if there is one.
func judge(h *history.Run, faults []error, dir string, out io.Writer) error {
	v := check.Run(h)
	fmt.Fprintf(out, "\nseed %d: %d links, %d pushes, %.0f a second (%d stored, %d not stored, %d unknown of which %d were seen), %d blows\n",
		h.Seed, len(h.Links), len(h.Pushes), h.Rate(), v.Answers[history.Stored], v.Answers[history.NotStored], v.Answers[history.Unknown],
		v.UnknownSeen, len(h.Events))
	fmt.Fprintf(out, "%d messages seen; %d were owed", v.Seen, v.Owed)
	for reason, n := range v.Explained {
		fmt.Fprintf(out, ", %d missing by %s", n, reason)
	}
	fmt.Fprintf(out, "; %d absences excused\n", v.Excused)
	if v.Owed == 0 {
		faults = append(faults, errNothing)
	}
	if len(v.Violations) == 0 && len(faults) == 0 {
		fmt.Fprintln(out, "verdict: no violation")
		return nil
	}
	return errors.Join(report(h, v, faults, dir, out), ErrViolated)
}

// report tells of a failure and writes it and the history to dir.
func report(h *history.Run, v *check.Verdict, faults []error, dir string, out io.Writer) error {
	if err := h.Save(filepath.Join(dir, "history.gz")); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "violations.txt"))
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	defer file.Close()
	for _, fault := range faults {
		fmt.Fprintln(io.MultiWriter(file, out), "FAULT:", fault)
	}
	rules := map[check.Rule]int{}
	for i, one := range v.Violations {
		rules[one.Rule]++
		to := io.Writer(file)
		if rules[one.Rule] <= told {
			to = io.MultiWriter(file, out)
		}
		if i < storiesMost {
			fmt.Fprintln(to, check.Story(h, one))
		}
	}
	fmt.Fprintf(out, "verdict: VIOLATED: %d faults, violations by rule %v\nhistory, stories and logs: %s; again: --seed %d\n",
		len(faults), rules, dir, h.Seed)
	return nil
}

// storiesMost bounds the stories that are written: each looks through the whole
// history.
const storiesMost = 200
