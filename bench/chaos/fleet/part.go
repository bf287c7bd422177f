package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Kind of a part.
type Kind string

// The kinds.
const (
	Redis Kind = "redis"
	Kafka Kind = "kafka"
	Logic Kind = "logic"
	Job   Kind = "job"
	Comet Kind = "comet"
)

// stopPatience is how long a part may take to end before it is killed.
const stopPatience = 15 * time.Second

// Part is one process of a fleet, which may be killed and started again.
type Part struct {
	Name string
	Kind Kind
	// Admin is the URL of its admin server; empty for Redis and Kafka.
	Admin string
	// Ready returns nil if it serves.
	Ready func(context.Context) error

	argv  []string // immutable
	env   []string // immutable
	log   string   // immutable; file that its output is appended to
	makes string   // immutable; directory to make before the start
	file  string   // immutable; file to write before the start, with text
	text  string   // immutable
	stay  bool     // immutable; it outlives this process

	mu     sync.Mutex
	cmd    *exec.Cmd     // guarded by mu; nil before the first start
	exited chan struct{} // guarded by mu; closed when cmd has ended
	begun  time.Time     // guarded by mu; of cmd
}

// Start starts the process; it does not wait until it serves. One that runs is
// left alone.
func (p *Part) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runningLocked() {
		return nil
	}
	if err := p.prepare(); err != nil {
		return fmt.Errorf("fleet: %s: %w", p.Name, err)
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("fleet: %s: %w", p.Name, err)
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s start %s\n", time.Now().Format(time.RFC3339Nano), strings.Join(p.argv, " "))
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(cleanEnv(), p.env...)
	cmd.SysProcAttr = attributes(p.stay)
	exited, started := make(chan struct{}), make(chan error)
	go run(cmd, started, exited)
	if err := <-started; err != nil {
		return fmt.Errorf("fleet: start %s: %w", p.Name, err)
	}
	p.cmd, p.exited, p.begun = cmd, exited, time.Now()
	return nil
}

func (p *Part) prepare() error {
	if p.makes != "" {
		if err := os.MkdirAll(p.makes, 0o755); err != nil {
			return err
		}
	}
	if p.file == "" {
		return nil
	}
	return os.WriteFile(p.file, []byte(p.text), 0o644)
}

// run keeps the thread that started cmd until it ends: Linux sends the signal
// of a parent's death when that thread dies.
func run(cmd *exec.Cmd, started chan<- error, exited chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}
}

// cleanEnv is the environment without what would configure oort.
func cleanEnv() (env []string) {
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OORT_") {
			env = append(env, kv)
		}
	}
	return env
}

func (p *Part) runningLocked() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Running reports whether the process is there, paused or not.
func (p *Part) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runningLocked()
}

// Pid of the process; 0 before the first start.
func (p *Part) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Age is how long ago the process was started.
func (p *Part) Age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.begun)
}

// WaitReady waits until the part serves; it fails if the process ends first.
func (p *Part) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("fleet: %s ended before it was ready; see %s", p.Name, p.log)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fleet: %s is not ready: %w; see %s", p.Name, err, p.log)
		case <-tick.C:
		}
	}
}

// restartAfter is how long a supervisor waits before it starts a part again.
const restartAfter = time.Second

// Revive waits until the part serves, and starts it again as often as it ends
// before, as a supervisor would: a part that starts while another is away may
// give up.
func (p *Part) Revive(ctx context.Context) error {
	for {
		err := p.WaitReady(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartAfter):
		}
		if err := p.Start(); err != nil {
			return err
		}
	}
}

// Signal sends sig; to one that is gone, nothing.
func (p *Part) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runningLocked() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("fleet: %s: %v: %w", p.Name, sig, err)
	}
	return nil
}

// Kill sends SIGKILL and waits for the end. Idempotent.
func (p *Part) Kill() { p.end(syscall.SIGKILL, 0) }

// Stop sends SIGTERM, and SIGKILL if that does not help, and waits for the end.
// Idempotent.
func (p *Part) Stop() { p.end(syscall.SIGTERM, stopPatience) }

func (p *Part) end(sig syscall.Signal, patience time.Duration) {
	p.mu.Lock()
	cmd, exited, running := p.cmd, p.exited, p.runningLocked()
	p.mu.Unlock()
	if !running {
		return
	}
	// Errors mean that it is gone. One that is paused takes SIGTERM when it goes on.
	_ = cmd.Process.Signal(sig)
	_ = cmd.Process.Signal(syscall.SIGCONT)
	if patience > 0 {
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
	}
	<-exited
}
