package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/alecthomas/kong"
)

// App is a program of commands.
type App struct {
	// Name of the program, as in its help and its error lines.
	Name string
	// Description is the first paragraph of --help.
	Description string
	// Grammar is a pointer to a struct with kong tags; it should embed Globals.
	Grammar any
	// Fallback is the command that `config show` and `config check` take when
	// neither the arguments nor the config file name one.
	Fallback string
	// EnvPrefix stands before the names in the environment. Empty means that
	// the environment is not read.
	EnvPrefix string

	// Stdin, Stdout and Stderr; nil means those of the process.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// ErrStopped is what a command returns that was told to stop before it had
// started: that is no failure.
var ErrStopped = errors.New("told to stop")

// Main parses args, runs the command that they name and returns the exit code
// of the process: 0, also for a command that returns ErrStopped; 1 for one that
// failed; 2 for a wrong flag, file or environment. A failure is one line on stderr.
//
// The first SIGINT or SIGTERM cancels the command's context. After it the
// signals have their default effect again, so that a second one ends the
// process at once.
func (a App) Main(args []string) int {
	a = a.withStreams()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := a.run(ctx, args)
	if err == nil || errors.Is(err, ErrStopped) {
		return 0
	}
	fmt.Fprintf(a.Stderr, "%s: %s\n", a.Name, oneLine(err))
	return exitCode(err)
}

func (a App) withStreams() App {
	if a.Stdin == nil {
		a.Stdin = os.Stdin
	}
	if a.Stdout == nil {
		a.Stdout = os.Stdout
	}
	if a.Stderr == nil {
		a.Stderr = os.Stderr
	}
	return a
}

func (a App) run(ctx context.Context, args []string) error {
	p, err := a.parse(args)
	if errors.Is(err, errHelped) {
		return nil
	}
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log, err := p.globals().logger(a.Stderr, level)
	if err != nil {
		return err
	}
	p.ctx.BindTo(ctx, (*context.Context)(nil))
	p.ctx.BindTo(a.Stdin, (*io.Reader)(nil))
	p.ctx.BindTo(a.Stdout, (*io.Writer)(nil))
	return p.ctx.Run(log, level, &a, p)
}

// parsed is the outcome of one parse.
type parsed struct {
	ctx     *kong.Context
	file    *configFile // nil without --config
	grammar any
	app     *App
}

// globals finds the Globals in the grammar; those of a grammar without are
// zero, which means the defaults.
func (p *parsed) globals() *Globals {
	v := reflect.ValueOf(p.grammar).Elem()
	for i := range v.NumField() {
		if g, ok := v.Field(i).Addr().Interface().(*Globals); ok {
			return g
		}
	}
	return new(Globals)
}
