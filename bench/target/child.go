package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/oortim/oort/bench/control"
)

// startTime bounds how long a started server may take to be ready, stopTime
// how long to end.
const (
	startTime = 30 * time.Second
	stopTime  = 30 * time.Second
)

// child is an `oort serve` of ours.
type child struct {
	cmd   *exec.Cmd
	data  string            // its directory, removed at the end
	ready map[string]string // addresses by name, from its ready line
	said  *control.Tail     // its log
	done  chan struct{}     // its output has been read to the end
}

// startChild runs binary serve on free ports and waits for its ready line.
// What flags say wins over what is chosen here.
func startChild(ctx context.Context, binary string, flags []string) (*child, error) {
	data, err := os.MkdirTemp("", "oort-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	args := append([]string{"serve", "--tcp=127.0.0.1:0", "--ws=127.0.0.1:0", "--http=127.0.0.1:0",
		"--admin=127.0.0.1:0", "--drain-window=100ms", "--data=" + data}, flags...)
	c := &child{cmd: exec.Command(binary, args...), data: data, said: new(control.Tail), done: make(chan struct{})}
	c.cmd.Stderr = c.said
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: start %q: %w", args, err), os.RemoveAll(data))
	}
	if err := c.awaitReady(ctx, out); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *child) awaitReady(ctx context.Context, out io.Reader) error {
	ready := make(chan map[string]string, 1)
	go func() {
		defer close(c.done)
		defer close(ready)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if addrs := parseReady(lines.Text()); addrs != nil {
				ready <- addrs
				break
			}
		}
		_, _ = io.Copy(io.Discard, out) // until it ends
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case addrs, ok := <-ready:
		if !ok {
			return errors.New("bench: oort serve ended before it was ready")
		}
		c.ready = addrs
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bench: oort serve is not ready: %w", ctx.Err())
	}
}

// parseReady reads "ready tcp=127.0.0.1:3101 ws=…"; nil if line is another.
func parseReady(line string) map[string]string {
	rest, ok := strings.CutPrefix(line, "ready ")
	if !ok {
		return nil
	}
	addrs := map[string]string{}
	for _, field := range strings.Fields(rest) {
		if name, addr, ok := strings.Cut(field, "="); ok {
			addr, _, _ = strings.Cut(addr, ",") // the first of several
			addrs[name] = addr
		}
	}
	return addrs
}

// stop ends the server in order and removes its data.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(stopTime, func() { _ = c.cmd.Process.Kill() })
	<-c.done
	err := c.cmd.Wait()
	kill.Stop()
	if err != nil {
		err = fmt.Errorf("bench: oort serve: %w\n%s", err, c.said)
	}
	return errors.Join(err, os.RemoveAll(c.data))
}
