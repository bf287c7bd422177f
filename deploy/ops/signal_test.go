package ops

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes the test binary be a program of its own.
const childEnv = "OPS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(App{Name: "oort", Grammar: &childTable{}}.Main([]string{os.Getenv(childEnv)}))
	}
	goleak.VerifyTestMain(m)
}

type childTable struct {
	Polite   politeCmd   `cmd:"" help:"End when asked."`
	Early    earlyCmd    `cmd:"" help:"End when asked, before it has started."`
	Stubborn stubbornCmd `cmd:"" help:"Never end."`
}

type politeCmd struct{}

func (*politeCmd) Run(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "running")
	<-ctx.Done()
	fmt.Fprintln(out, "stopping")
	return nil
}

type earlyCmd struct{}

func (*earlyCmd) Run(ctx context.Context, out io.Writer) error {
	return errors.Join(new(politeCmd).Run(ctx, out), fmt.Errorf("waiting: %w", ErrStopped))
}

type stubbornCmd struct{}

func (*stubbornCmd) Run(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "running")
	<-ctx.Done()
	fmt.Fprintln(out, "stopping")
	select {}
}

func startChild(t *testing.T, command string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+command)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	wantLine(t, lines, "running")
	return cmd, lines
}

func wantLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("line %q, want %q", lines.Text(), want)
	}
}

func TestSignalEndsCommand(t *testing.T) {
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM} {
		cmd, lines := startChild(t, []string{"polite", "polite", "early"}[i])
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		wantLine(t, lines, "stopping")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v, want exit code 0", sig, err)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	cmd, lines := startChild(t, "stubborn")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantLine(t, lines, "stopping")
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	deadline := time.After(10 * time.Second)
	// The second one may come before the first has been dealt with, and then
	// counts as the same: an impatient person presses again, and so do we.
	for again := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			continue
		case <-deadline:
			t.Fatal("a second signal does not end the process")
		case <-ended:
			again.Stop()
		}
		break
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want by SIGTERM", cmd.ProcessState)
	}
}
