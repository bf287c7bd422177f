package echo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
)

// Config of a Server.
type Config struct {
	// Listen are addresses, each for TCP frames and WebSocket. Required.
	Listen []string
	// Engine is a spec of engines.Open. Empty means the platform's best.
	Engine string
	// Loops of the engine. Zero means one a core.
	Loops int
	// MaxMessage bounds a message's payload, or a TCP frame with its header, in
	// bytes. Zero means 16 MiB.
	MaxMessage int
	// Wrap, if set, is given the handler of each loop and returns the one that
	// the engine gets: for measurements that need a hand on the loop's own
	// thread. Kinds of tasks below 1,000 are the server's own.
	Wrap func(poller.Loop, poller.Handler) poller.Handler
	// Log is told of panics. Nil means slog.Default().
	Log *slog.Logger
}

// DefaultMaxMessage is what a message may have if Config says nothing: the
// longest that Autobahn|Testsuite sends.
const DefaultMaxMessage = 16 << 20

// Server echoes on one engine.
type Server struct {
	engine poller.Engine
	loops  []*loop
	ended  atomic.Bool
}

// Open listens and serves.
func Open(cfg Config) (*Server, error) {
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{}
	engine, err := engines.Open(cfg.Engine, poller.Options{
		Listen:     cfg.Listen,
		Loops:      cfg.Loops,
		NewHandler: func(l poller.Loop) poller.Handler { return s.handler(l, &cfg) },
		OnPanic: func(loop int, value any, stack []byte) {
			cfg.Log.Error("panic", "loop", loop, "value", value, "stack", string(stack))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("echo: %w", err)
	}
	s.engine = engine
	return s, nil
}

// handler makes the handler of one loop. Engines make them one after the other,
// before Open returns.
func (s *Server) handler(l poller.Loop, cfg *Config) poller.Handler {
	h := newLoop(l, cfg.MaxMessage)
	s.loops = append(s.loops, h)
	if cfg.Wrap != nil {
		return cfg.Wrap(l, h)
	}
	return h
}

// Engine is the name of the engine that serves.
func (s *Server) Engine() string { return s.engine.Name() }

// Addrs are the addresses listened on, in the order of Config.Listen.
func (s *Server) Addrs() []net.Addr { return s.engine.Addrs() }

// Poller is the engine itself.
func (s *Server) Poller() poller.Engine { return s.engine }

// Stats is what a Server has done since it was opened.
type Stats struct {
	Links    int64  // open now
	Accepted uint64 // links
	Messages uint64 // echoed to the end: WebSocket messages and TCP frames
	Bytes    uint64 // their payloads, of TCP frames header and body
	Pings    uint64 // answered
	Refused  uint64 // links that broke a protocol or a limit
}

func (s Stats) String() string {
	return fmt.Sprintf("echoed messages=%d bytes=%d pings=%d links=%d refused=%d open=%d",
		s.Messages, s.Bytes, s.Pings, s.Accepted, s.Refused, s.Links)
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	sum := Stats{Accepted: s.engine.Stats().Accepted}
	for _, l := range s.loops {
		sum.Links += l.n.links.Load()
		sum.Messages += l.n.messages.Load()
		sum.Bytes += l.n.bytes.Load()
		sum.Pings += l.n.pings.Load()
		sum.Refused += l.n.refused.Load()
	}
	return sum
}

// stopPoll is how often Stop looks whether the links have ended, engineStop how
// long the engine may take after that.
const (
	stopPoll   = 5 * time.Millisecond
	engineStop = 5 * time.Second
)

// Stop accepts no more, tells the WebSockets that the server goes away (1001),
// ends the others, and waits until they have ended or ctx is over; those that
// are left are cut. A link whose peer does not read gets no last word. Further
// calls do nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.ended.Swap(true) {
		return nil
	}
	s.engine.StopAccept()
	for _, l := range s.engine.Loops() {
		l.Post(poller.Task{Kind: taskLeave})
	}
	for s.Stats().Links > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(stopPoll):
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineStop)
	defer cancel()
	if err := s.engine.Stop(end); err != nil {
		return errors.Join(errors.New("echo: the engine does not stop"), err)
	}
	return nil
}
