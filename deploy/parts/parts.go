// Package parts wires oort's processes: a file a command, each with its flags
// and what they open, in what order. It knows every package and decides nothing
// that those do not.
package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/deploy/ops"
)

// closers end what a process has opened, the last first.
type closers struct {
	log  *slog.Logger
	list []closer
}

type closer struct {
	what string
	end  func(context.Context) error
}

// closeTime bounds the end of each thing.
const closeTime = 10 * time.Second

func (c *closers) add(what string, end func(context.Context) error) {
	c.list = append(c.list, closer{what, end})
}

func (c *closers) close() {
	for i := len(c.list) - 1; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		if err := c.list[i].end(ctx); err != nil {
			c.log.Warn("not closed cleanly", "what", c.list[i].what, "error", err)
		}
		cancel()
	}
}

// base is what every process has.
type base struct {
	log    *slog.Logger
	admin  *ops.Admin
	tracer trace.Tracer // nil without --trace-url
	out    io.Writer
	opened closers
	failed chan error // a part that ended by itself

	started  atomic.Bool   // ready has been called
	patience time.Duration // of reach
}

func openBase(flags ops.AdminFlags, log *slog.Logger, level *slog.LevelVar, out io.Writer) (*base, error) {
	admin, err := ops.OpenAdmin(flags, log, level)
	if err != nil {
		return nil, err
	}
	b := &base{
		log: log, admin: admin, out: out, opened: closers{log: log}, failed: make(chan error, 8), patience: startTime,
	}
	b.opened.add("admin", admin.Close)
	admin.Check("started", b.hasStarted)
	return b, nil
}

// hasStarted is a check of its own, because the others come with what they are
// about: before that they are not there to fail.
func (b *base) hasStarted(context.Context) error {
	if b.started.Load() {
		return nil
	}
	return errStarting
}

// wait returns when the process is told to stop or a part has failed.
func (b *base) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		b.log.Info("stopping")
		b.admin.Drain("stopping")
		return nil
	case err := <-b.failed:
		return err
	}
}

// until waits for a condition that comes by itself, such as a first contact;
// ok is false if the process is to stop. What patience will not mend is an
// error.
func (b *base) until(ctx context.Context, ready func(context.Context) error) (ok bool, err error) {
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for err = ready(ctx); err != nil; err = ready(ctx) {
		if errors.Is(err, comet.ErrTrusting) {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-beat.C:
		}
	}
	return true, nil
}

// ready says that the process has started: to /readyz, and by the line that
// scripts and tests wait for, with where everything listens.
func (b *base) ready(pairs ...string) {
	b.started.Store(true)
	var line strings.Builder
	line.WriteString("ready")
	if a := b.admin.Addr(); a != nil {
		pairs = append(pairs, "admin", a.String())
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&line, " %s=%s", pairs[i], pairs[i+1])
		}
	}
	fmt.Fprintln(b.out, line.String())
}

// loopback reports whether only this machine can reach addr.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// beyond returns the first of addrs that others can reach; "" if none.
func beyond(addrs ...[]string) string {
	for _, list := range addrs {
		for _, a := range list {
			if a != "" && !loopback(a) {
				return a
			}
		}
	}
	return ""
}

// checkAddrs names the first address that is no host:port.
func checkAddrs(flag string, addrs ...string) error {
	for _, a := range addrs {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			return ops.Usagef("--%s: %q is not host:port", flag, a)
		}
	}
	return nil
}

var errStarting = errors.New("still starting")

var errEnded = errors.New("ended by itself")
