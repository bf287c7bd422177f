package scenario

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/swarm"
)

// children are the commands that scenarios start.
type children struct {
	Bench struct {
		Echo   echo.Command   `cmd:""`
		Server server.Command `cmd:""`
		Swarm  swarm.Command  `cmd:""`
	} `cmd:""`
}

// TestMain is also the children's main: what is started here is this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Under the race detector a process lingers for a second at its end, in case
	// a race is found; children that have ended in order have nothing to find.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

func runChild() error {
	k, err := kong.New(new(children))
	if err != nil {
		return err
	}
	ctx, err := k.Parse(os.Args[1:])
	if err != nil {
		return err
	}
	ctx.BindTo(context.Background(), (*context.Context)(nil))
	ctx.BindTo(os.Stdin, (*io.Reader)(nil))
	ctx.BindTo(os.Stdout, (*io.Writer)(nil))
	return ctx.Run(slog.New(slog.NewTextHandler(os.Stderr, nil)))
}
