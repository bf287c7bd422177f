// Package echo is `oort bench echo`: a server that sends back what it gets, on
// any engine, by the parsers that the comet uses (proto/ws, proto/frame). It
// measures an engine without rooms and sessions, and it is what conformance
// suites and other people's clients are pointed at.
//
// One address serves both transports; the first byte decides, as it does at the
// comet (a frame begins with the high byte of its length, which is 0 below 16
// MiB, an upgrade with a G):
//
//	         ┌───────┐ 'G'  ┌──────┐ 101 ┌───────────┐ Close, fault,
//	accept ─▶│ sniff │─────▶│ head │────▶│ WebSocket │──── stop ──┐
//	         └───────┘      └──────┘     └───────────┘            ▼
//	             │ else        │ refused  ┌────────┐         ┌─────────┐ FIN of the peer
//	             │             └─────────────────────────────▶ leaving │───────────────▶ closed
//	             └───────────────────────▶│ frames │─────────▶         │ or 2 s
//	                                      └────────┘ fault   └─────────┘
//
// TCP frames come back as they are, each byte as soon as it is there. Of
// WebSocket, text and binary messages come back frame by frame, with the
// fragments that the client chose; a frame above 64 KiB comes back as fragments
// of 64 KiB, so that a link holds at most one piece of a message, however long
// that is. Pings are answered, text and the reasons of Close frames are checked
// to be UTF-8 while they come (RFC 6455 8.1), a Close is answered with its code,
// and what breaks the RFC or the limit is answered with 1002, 1007 or 1009. What
// comes out depends only on the bytes that came in, not on how they were cut.
//
// Nothing is lost to a slow reader: while a socket does not take its echo, that
// link is not read, so it has at most what one read gave.
package echo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"time"

	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/poller/engines"
)

// Command is `oort bench echo`.
type Command struct {
	Listen     []string      `default:"127.0.0.1:9001" help:"Addresses to listen on, for TCP frames and WebSocket alike. Port 0: any."`
	Engine     string        `help:"The engine, with its options joined by plus. Empty: the platform's best."`
	Loops      int           `help:"Loops of the engine. 0: one a core."`
	MaxMessage int           `default:"16777216" help:"Bytes of a message, or of a TCP frame with its header, above which a link is closed."`
	List       bool          `help:"Print the names of this platform's engines, and end."`
	Drain      time.Duration `default:"2s" help:"How long to wait, when told to end, for links to end in order."`
	Control    bool          `hidden:"" help:"Serve a conductor on standard input and output."`
}

// Examples are shown at the end of --help.
func (c *Command) Examples() string {
	return `
	oort bench echo
	oort bench echo --engine std --loops 1 --listen 127.0.0.1:0
	wstest -m fuzzingclient -s spec.json       # against ws://127.0.0.1:9001
	make autobahn                              # the same on every engine`
}

// Validate refuses limits that the parsers could not count to.
func (c *Command) Validate() error {
	switch {
	case len(c.Listen) == 0:
		return errors.New("--listen must name an address")
	case c.MaxMessage < 1 || c.MaxMessage > math.MaxInt32:
		return fmt.Errorf("--max-message must be 1 to %d, not %d", math.MaxInt32, c.MaxMessage)
	case c.Loops < 0:
		return fmt.Errorf("--loops must not be negative, but is %d", c.Loops)
	case c.Drain < 0:
		return fmt.Errorf("--drain must not be negative, but is %v", c.Drain)
	}
	return engines.Check(c.Engine)
}

// Run serves until ctx is over. It prints a line when it listens, for scripts
// and people, and one of what it did when it ends.
func (c *Command) Run(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	if c.List {
		_, err := fmt.Fprintln(out, strings.Join(engines.Names(), "\n"))
		return err
	}
	b := &bare{taps: new(floor.Taps)}
	s, err := Open(Config{Listen: c.Listen, Engine: c.Engine, Loops: c.Loops, MaxMessage: c.MaxMessage, Wrap: b.taps.Wrap, Log: log})
	if err != nil {
		return err
	}
	if c.Control {
		err := serveConductor(ctx, in, out, s, b)
		return errors.Join(err, c.stop(ctx, s))
	}
	addrs := join(s.Addrs())
	fmt.Fprintf(out, "ready tcp=%s ws=%s engine=%s\n", addrs, addrs, s.Engine())
	<-ctx.Done()
	if err := c.stop(ctx, s); err != nil {
		return err
	}
	fmt.Fprintln(out, s.Stats())
	return nil
}

func (c *Command) stop(ctx context.Context, s *Server) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Drain)
	defer cancel()
	return s.Stop(drain)
}

func join(addrs []net.Addr) string {
	names := make([]string, len(addrs))
	for i, a := range addrs {
		names[i] = a.String()
	}
	return strings.Join(names, ",")
}
