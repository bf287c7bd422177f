// Package server is the server under test: a comet on the engine in question,
// with logic and memory sessions in the same process, as `oort serve` has them,
// but without broker and job. Pushes enter at the comet, where a job's would
// arrive, so that what is measured is the comet's I/O and not Kafka.
//
// It runs as `oort bench server`, which a conductor starts and asks by
// bench/control for what it should do.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/comet/room"
	cometrpc "github.com/oortim/oort/comet/rpc"
	"github.com/oortim/oort/comet/tune"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	logicrpc "github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/ident"
)

// What in a cluster takes seconds, in one process may be done at once.
const (
	settle  = 100 * time.Millisecond
	renew   = time.Second
	refresh = 50 * time.Millisecond
)

// manyLinks is the comet's limit of links, and so of rooms: none but the
// descriptors'.
const manyLinks = 1 << 30

// benchRoom is what a room's index is appended to where nobody says otherwise.
const benchRoom = "bench://"

// RoomName is the name of the room that a swarm's link number i joins, if
// i modulo the number of rooms is index.
func RoomName(index uint32) string { return named(benchRoom, index) }

func named(prefix string, index uint32) string {
	return prefix + strconv.FormatUint(uint64(index), 10)
}

// Server is one server under test.
type Server struct {
	comet    *comet.Server
	engine   poller.Engine
	tcp      int // of the engine's addresses, how many take TCP; the others WebSocket
	taps     floor.Taps
	metrics  *prometheus.Registry
	applied  offsets
	profiler control.Profiler
	door     door
	ends     []func(context.Context) error // the last is called first
}

// Open starts a server and waits until it lets links in.
func (f *Flags) Open(ctx context.Context, log *slog.Logger) (*Server, error) {
	s := &Server{metrics: prometheus.NewRegistry(), tcp: len(f.TCP)}
	if err := s.open(ctx, f, log); err != nil {
		return nil, errors.Join(fmt.Errorf("bench server: %w", err), s.Close(context.Background()))
	}
	return s, nil
}

func (s *Server) open(ctx context.Context, f *Flags, log *slog.Logger) error {
	name := ident.NewServer("bench", time.Now())
	untune := tune.Collector() // as oort comet has it
	s.ends = append(s.ends, func(context.Context) error { untune(); return nil })
	tune.Procs(f.Loops)
	door, err := s.openLogic(f, name)
	if err != nil {
		return err
	}
	s.comet, err = comet.Open(comet.Config{
		Server: name, TCP: f.TCP, WS: f.WS, Loops: f.Loops, Log: log,
		Engine: func(o poller.Options) (poller.Engine, error) { return s.openEngine(f.Engine, o) },
		Limits: comet.Limits{Links: manyLinks, Rooms: manyLinks, Room: room.Limits{MaxLatency: f.Latency, Pending: f.Pending}},
		Times:  comet.Times{Settle: settle, Renew: renew, Heartbeat: f.Heartbeat, Write: f.Write},
	}, door)
	if err != nil {
		return err
	}
	s.ends = append(s.ends, s.comet.Stop)
	if err := s.metrics.Register(s.comet); err != nil {
		return err
	}
	return s.await(ctx)
}

// openEngine puts a tap between the engine and each loop's handler.
func (s *Server) openEngine(spec string, o poller.Options) (poller.Engine, error) {
	handler := o.NewHandler
	o.NewHandler = func(l poller.Loop) poller.Handler { return s.taps.Wrap(l, handler(l)) }
	var err error
	s.engine, err = engines.Open(spec, o)
	return s.engine, err
}

// openLogic opens what lets links in.
func (s *Server) openLogic(f *Flags, name ident.Server) (comet.Logic, error) {
	switch {
	case f.LogicAt != "":
		return s.dialLogic(f.LogicAt, name)
	case f.Logic == "none":
		return new(gatekeeper), nil
	}
	sessions := session.NewMemory(session.TTLs{}, time.Now)
	svc, err := logic.New(logic.Config{
		Sessions: sessions, Registry: sessions, Publisher: publisher{s}, Auth: auth.Open{},
		Heartbeat: f.Heartbeat * 2 / 3, // a comet waits half as long again
		Refresh:   refresh, Metrics: s.metrics,
	})
	if err != nil {
		return nil, err
	}
	channel := new(inprocgrpc.Channel)
	logicrpc.Register(channel, logicrpc.New(svc, logicrpc.Options{TrustsClients: true}))
	door := cometrpc.NewLogic(channel, cometrpc.Advert{Server: name, GRPC: "in-process"})
	s.ends = append(s.ends,
		func(context.Context) error { return svc.Close() },
		func(context.Context) error { door.Close(); return nil })
	return door, nil
}

// dialLogic reaches a logic in a process of its own.
func (s *Server) dialLogic(addr string, name ident.Server) (comet.Logic, error) {
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	door := cometrpc.NewLogic(cc, cometrpc.Advert{Server: name, GRPC: "none"})
	s.ends = append(s.ends, func(context.Context) error { door.Close(); return cc.Close() })
	return door, nil
}

// await returns when the comet lets links in.
func (s *Server) await(ctx context.Context) error {
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for {
		err := s.comet.Ready(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, comet.ErrTrusting) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %w", ctx.Err(), err)
		case <-beat.C:
		}
	}
}

// Close ends what was opened; ctx bounds the orderly part.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		errs = append(errs, s.ends[i](ctx))
	}
	s.ends = nil
	return errors.Join(append(errs, s.profiler.End(), s.door.shut())...)
}

// Addresses are where it listens.
func (s *Server) Addresses() (a Addresses) {
	for i, addr := range s.engine.Addrs() {
		if i < s.tcp {
			a.TCP = append(a.TCP, "tcp://"+addr.String())
		} else {
			a.WS = append(a.WS, "ws://"+addr.String()+"/sub")
		}
	}
	return a
}
