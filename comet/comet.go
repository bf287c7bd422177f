// Package comet holds the links of clients and delivers pushes to them. It is
// the core of a comet process: bytes come from a poller.Engine, sessions from
// an implementation of Logic, pushes through Server.Apply.
//
// # Who owns what
//
// Each loop of the engine owns a bucket: the records of its links, its part of
// every room, its timing wheel. Nothing in a bucket is locked. Three things are
// shared by the process and locked in shards: the directory (which loop has a
// key), the census (which loops have a room, and how many links of it), and the
// sources (links an address). Locks are leaves: nobody calls out with one held,
// and only the census takes another, its feed's.
//
//	client ──bytes──▶ engine loop ──▶ bucket ──connects──▶ pump ──▶ Logic
//	                                    ▲  ▲                 │
//	                     tasks by Post  │  └──── results ────┘
//	job ──batches──▶ Server.Apply ──────┘
package comet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// Server is one comet.
type Server struct {
	// immutable after Open
	cfg     Config
	logic   Logic
	engine  poller.Engine
	roles   []link.Stage // a listener: how its links start
	decode  link.Limits
	start   time.Time
	buckets []*bucket
	gates   []*gate
	meters  []*meters
	pump    *pump
	lease   *lease
	mender  *mender
	nudge   chan struct{} // renew now

	keys     *directory
	census   *census
	sources  *sources
	marks    marks
	ids      memory
	traces   *ledger.Log
	messages messages

	links, rooms           atomic.Int64
	seenEpoch              atomic.Uint64
	draining               atomic.Bool
	applied, replayed      atomic.Uint64
	refusedPushes          [DropInvalid + 1]atomic.Uint64
	renewFailed, forgotten atomic.Uint64

	cancel  context.CancelFunc
	helpers sync.WaitGroup
	over    chan struct{} // closed when the loops have ended
	stopped sync.Once
}

// traceFor is how long it can be asked what became of a message.
const traceFor = 10 * time.Minute

// Open listens and starts to serve. The comet registers at logic in the
// background; links that come before wait.
func Open(cfg Config, logic Logic) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, logic: logic, start: time.Now(), nudge: make(chan struct{}, 1), over: make(chan struct{}),
		decode:  link.Limits{Frame: cfg.Limits.Frame, Head: cfg.Limits.Head},
		keys:    newDirectory(),
		census:  newCensus(cfg.Loops),
		traces:  ledger.NewLog(cfg.Limits.Traces, traceFor),
		sources: newSources(cfg.Limits.SourceLinks, cfg.Limits.SourceRate),
		buckets: make([]*bucket, cfg.Loops),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.pump = newPump(logic, cfg.Door, cfg.Times.Sessions, &s.forgotten, s.over)
	s.messages = messages{
		logic: logic, timeout: cfg.Times.Sessions, log: cfg.Log, ctx: ctx, over: s.over,
		slots: make(chan struct{}, cfg.Limits.Messages),
	}
	for range cfg.Loops {
		s.gates = append(s.gates, newGate(cfg.Limits.Queued))
		s.meters = append(s.meters, &meters{})
	}
	if err := s.listen(); err != nil {
		cancel()
		return nil, err
	}
	s.lease, s.mender = newLease(s), newMender(s)
	s.work(ctx)
	return s, nil
}

// listen opens the engine on every address; the role of each says how its
// links start.
func (s *Server) listen() error {
	addrs := slices.Clone(s.cfg.TCP)
	s.roles = make([]link.Stage, len(addrs)) // StageTCP
	for _, a := range s.cfg.WS {
		if i := slices.Index(addrs, a); i >= 0 && !anyPort(a) {
			s.roles[i] = link.StageSniff
			continue
		}
		addrs, s.roles = append(addrs, a), append(s.roles, link.StageHead)
	}
	engine, err := s.cfg.Engine(poller.Options{
		Listen: addrs, Loops: s.cfg.Loops,
		MaxRest: max(s.cfg.Limits.Frame+64, 16<<10),
		OnPanic: s.panicked,
		NewHandler: func(l poller.Loop) poller.Handler {
			b := newBucket(s, l)
			s.buckets[l.Index()] = b
			return b
		},
	})
	if err != nil {
		return fmt.Errorf("comet: %w", err)
	}
	s.engine = engine
	return nil
}

func anyPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}

func (s *Server) panicked(loop int, value any, stack []byte) {
	s.cfg.Log.Error("panic contained", "loop", loop, "value", fmt.Sprint(value), "stack", string(stack))
}

// work starts the goroutines beside the loops. Connects go to logic only when
// the lease has been granted and jobs have had time to hear of it: a session
// must not name a comet that nobody knows.
func (s *Server) work(ctx context.Context) {
	go s.lease.run(ctx)
	s.helpers.Go(func() { s.mender.run(ctx) })
	for range pumpWorkers {
		s.helpers.Go(func() { s.pump.run(ctx) })
	}
}

// TCPAddr is the first address that takes TCP, WSAddr that takes WebSocket;
// "" for none.
func (s *Server) TCPAddr() string { return s.addr(link.StageTCP) }
func (s *Server) WSAddr() string  { return s.addr(link.StageHead) }

func (s *Server) addr(want link.Stage) string {
	for i, role := range s.roles {
		if role == want || role == link.StageSniff {
			return s.engine.Addrs()[i].String()
		}
	}
	return ""
}

// beyondLoopback is an address that others than this machine can reach; ""
// for none.
func (s *Server) beyondLoopback() string {
	for _, a := range s.engine.Addrs() {
		if at, err := netip.ParseAddrPort(a.String()); err != nil || !at.Addr().Unmap().IsLoopback() {
			return a.String()
		}
	}
	return ""
}

// ID is the comet's name and incarnation.
func (s *Server) ID() ident.Server { return s.cfg.Server }

// Ready says whether the comet takes links, and if not why.
func (s *Server) Ready(context.Context) error {
	if s.draining.Load() {
		return errors.New("comet: draining")
	}
	return s.lease.err()
}

// drainPace is as slow as links are told to go: a comet with few needs no
// window to spare the others a wave.
const drainPace = 20 * time.Millisecond

// Drain stops accepting, tells logic that no links are wanted, and tells each
// link to go, spread evenly over window, or over less if there are few links.
// It returns when all links are gone or ctx is over.
func (s *Server) Drain(ctx context.Context, window time.Duration) error {
	s.draining.Store(true)
	s.engine.StopAccept()
	select {
	case s.nudge <- struct{}{}:
	default:
	}
	since := time.Now()
	window = min(window, time.Duration(s.links.Load())*drainPace)
	for i := range s.buckets {
		if err := s.mustPost(i, poller.Task{Kind: taskDrain, Ref: &farewell{since: since, window: window}}); err != nil {
			return err
		}
	}
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for s.links.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
		}
	}
	return nil
}

// Stop closes what is left, gives sessions and lease back, and ends. ctx bounds
// the orderly part.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stopped.Do(func() {
		s.draining.Store(true)
		for _, g := range s.gates {
			g.close()
		}
		err = s.engine.Stop(ctx)
		close(s.over)
		s.pump.end()
		ended := make(chan struct{})
		go func() {
			s.helpers.Wait()
			close(ended)
		}()
		if s.lease.held() {
			select {
			case <-ended:
			case <-ctx.Done():
			}
			if e := s.logic.Leave(ctx); e != nil && err == nil {
				err = fmt.Errorf("comet: leave: %w", e)
			}
		}
		s.cancel()
		<-ended
		<-s.lease.done
		s.messages.wait()
	})
	return err
}

// post hands a task to a loop from a loop: it never waits. If the queue is
// full, a goroutine does, for as long as there are loops.
func (s *Server) post(loop int, t poller.Task) {
	l := s.buckets[loop].loop
	if !l.Post(t) {
		go patiently(s.over, l, t)
	}
}

// mustPost hands a task to a loop, waiting for room.
func (s *Server) mustPost(loop int, t poller.Task) error {
	l := s.buckets[loop].loop
	for wait := 50 * time.Microsecond; !l.Post(t); wait = min(2*wait, 10*time.Millisecond) {
		if s.gates[loop].isClosed() {
			return ErrStopping
		}
		time.Sleep(wait)
	}
	return nil
}

// maxOrigin bounds an Origin, which is kept until authentication: a scheme, a
// name of at most 253 bytes (RFC 1035) and a port need no more.
const maxOrigin = 300

func (s *Server) originAllowed(q *ws.Request) bool {
	if !q.HasOrigin {
		return !s.cfg.RequireOrigin
	}
	if len(q.Origin) > maxOrigin {
		return false
	}
	return s.cfg.Origins == nil || slices.Contains(s.cfg.Origins, q.Origin)
}

// raise makes v at least n.
func raise(v *atomic.Uint64, n uint64) {
	for old := v.Load(); old < n && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}
