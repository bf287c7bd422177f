package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/poller/engines"
)

// Flags choose what is under test.
type Flags struct {
	Engine    string        `default:"" help:"Engine and its options, such as epoll+private; default: the platform's best."`
	Loops     int           `default:"0" help:"Reactor loops; 0: one a CPU."`
	TCP       []string      `name:"tcp" placeholder:"HOST:PORT" help:"Where to listen for TCP; several with commas."`
	WS        []string      `name:"ws" placeholder:"HOST:PORT" help:"Where to listen for WebSocket; several with commas."`
	Logic     string        `enum:"memory,none" default:"memory" help:"memory: logic with sessions in this process, as in oort serve; none: every link is let in at once and nothing kept, so that memory is the comet's alone."`
	LogicAt   string        `name:"logic-at" placeholder:"HOST:PORT" help:"Where a logic of its own process is, in place of --logic."`
	Heartbeat time.Duration `default:"6m" help:"How long a link may be silent."`
	Write     time.Duration `name:"write-timeout" default:"30s" help:"How long a link may take nothing of what waits for it."`
	Latency   time.Duration `name:"max-latency" default:"250ms" help:"How long a message may wait so that others share its flush."`
	Pending   int           `name:"max-pending" default:"1048576" help:"Bytes that may wait for one room."`
}

// Validate refuses what cannot be opened.
func (f *Flags) Validate() error {
	if len(f.TCP)+len(f.WS) == 0 {
		return fmt.Errorf("--tcp or --ws is needed")
	}
	return engines.Check(f.Engine)
}

// Command is `oort bench server`: it serves a conductor on its standard input
// and output, and ends with its input.
type Command struct{ Flags }

// Run serves until in ends or ctx is over.
func (c *Command) Run(ctx context.Context, log *slog.Logger, in io.Reader, out io.Writer) error {
	s, err := c.Open(ctx, log)
	if err != nil {
		return err
	}
	err = control.Serve(ctx, in, out, s.Methods())
	soon, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if e := s.Close(soon); e != nil && err == nil {
		err = e
	}
	return err
}

// endTime bounds the orderly end.
const endTime = 20 * time.Second

// Methods are what a conductor can ask of s.
func (s *Server) Methods() control.Methods {
	return control.Methods{
		MethodAddresses:       control.Func(func(context.Context, control.None) (Addresses, error) { return s.Addresses(), nil }),
		MethodPush:            control.Func(s.Push),
		MethodFloor:           control.Func(s.Floor),
		MethodStats:           control.Func(s.Stats),
		control.MethodProfile: control.Func(s.profiler.Profile),
		MethodDoor:            control.Func(s.door.turn),
	}
}
