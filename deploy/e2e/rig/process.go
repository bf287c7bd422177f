package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait of a rig. It is long because a busy machine with
// the race detector is slow, and costs nothing while tests pass.
const Patience = 30 * time.Second

// RaceEnv, in the environment of a process, makes a race end it at once, where
// its log shows it, and spares the second that a program built with the race
// detector sleeps before it exits.
const RaceEnv = "GORACE=halt_on_error=1 atexit_sleep_ms=10"

// Process is one running program.
type Process struct {
	// Name of the process in messages.
	Name string

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	err    error         // of exec.Cmd.Wait; set before exited is closed

	mu    sync.Mutex // guards what follows
	lines []string   // what it printed, stdout and stderr
	more  chan struct{}
}

// Start runs argv. The process is killed at the end of the test, at the latest;
// if the test has failed, what it printed is logged.
func Start(t testing.TB, name string, argv ...string) *Process {
	t.Helper()
	p := &Process{Name: name, exited: make(chan struct{}), more: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env = append(cleanEnv(), RaceEnv)
	p.cmd.SysProcAttr = dieWithParent()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("rig: %v", err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	read := make(chan struct{})
	go func() { defer close(read); p.read(r) }()
	started := make(chan error)
	go p.run(started, w, read)
	if err := <-started; err != nil {
		t.Fatalf("rig: start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s (%s) printed:\n%s", name, p.state(), strings.Join(p.tail(150), "\n"))
		}
	})
	return p
}

// cleanEnv is the environment without what would configure oort.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "OORT_") })
}

// run holds the thread that started the process until it ends: the death
// signal of Linux is sent when that thread dies, not the process.
func (p *Process) run(started chan<- error, w *os.File, read <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	w.Close()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	<-read
	close(p.exited)
}

func (p *Process) read(r *os.File) {
	defer r.Close()
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, s.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

// WaitLine waits for a line that begins with prefix and returns the first one.
// It fails the test if the process ends before.
func (p *Process) WaitLine(t testing.TB, prefix string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	line, err := p.waitLine(ctx, prefix)
	if err != nil {
		t.Fatalf("rig: %s: no line %q: %v", p.Name, prefix, err)
	}
	return line
}

func (p *Process) waitLine(ctx context.Context, prefix string) (string, error) {
	for from := 0; ; {
		p.mu.Lock()
		fresh, more := p.lines[from:], p.more
		p.mu.Unlock()
		for _, line := range fresh {
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		}
		from += len(fresh)
		select {
		case <-more:
		case <-p.exited:
			if len(p.Lines()) == from {
				return "", fmt.Errorf("it ended: %s", p.state())
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Lines is what the process has printed until now.
func (p *Process) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func (p *Process) tail(n int) []string {
	lines := p.Lines()
	return lines[max(0, len(lines)-n):]
}

// Signal sends sig. A process that is gone is no error.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("rig: %s: %v: %v", p.Name, sig, err)
	}
}

// Stop sends SIGTERM and returns the exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	return p.Wait(t)
}

// Wait waits for the end and returns the exit code, -1 if a signal killed it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(Patience):
		p.Signal(t, syscall.SIGQUIT) // the log then shows where it hangs
		<-p.exited
		t.Fatalf("rig: %s did not end in %v", p.Name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Kill sends SIGKILL and waits for the end. Idempotent.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone
	<-p.exited
}

func (p *Process) state() string {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.String()
	default:
		return "running"
	}
}
