package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// startTime bounds how long a child may take until it serves, stopTime how
// long it may take to end before it is killed.
const (
	startTime = 30 * time.Second
	stopTime  = 30 * time.Second
)

// ErrEnded is wrapped by what Call returns when the child is no more.
var ErrEnded = errors.New("has ended")

// Child is a process of this binary that serves by Serve. Its methods may be
// used by several goroutines.
type Child struct {
	name   string
	cmd    *exec.Cmd
	stderr *Tail
	ready  chan struct{} // closed at its hello
	done   chan struct{} // closed when it has ended
	err    error         // how it ended; to be read after done

	mu    sync.Mutex // guards what follows
	in    io.WriteCloser
	calls map[uint64]chan line // a reply each
	last  uint64               // id of the newest call
}

// Start runs this binary with args, which must lead to Serve, and returns when
// it serves. name is for errors. ctx bounds the start only: Close must follow.
//
// The child has a process group of its own, so that an interrupt from the
// terminal reaches the conductor alone, which ends its children in order.
func Start(ctx context.Context, name string, args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: own binary: %w", name, err)
	}
	c := &Child{
		name: name, cmd: exec.Command(self, args...), stderr: new(Tail),
		ready: make(chan struct{}), done: make(chan struct{}), calls: map[uint64]chan line{},
	}
	c.cmd.Stderr = c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.run()
	if err != nil {
		return nil, fmt.Errorf("%s: start %q: %w", name, args, err)
	}
	go c.listen(out)
	return c, c.await(ctx)
}

func (c *Child) run() (out io.Reader, err error) {
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return out, c.cmd.Start()
}

// await returns when the child serves; if it does not, it has ended.
func (c *Child) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case <-c.ready:
		return nil
	case <-c.done:
		return c.ended()
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s: not ready: %w%s", c.name, ctx.Err(), c.stderr.quote())
	}
}

// listen deals the child's answers to those who wait for them, until it ends.
func (c *Child) listen(out io.Reader) {
	err := c.deal(json.NewDecoder(out))
	if err != nil {
		_ = c.cmd.Process.Kill() // what it says makes no sense any more
	}
	c.err = errors.Join(err, c.cmd.Wait())
	close(c.done)
}

func (c *Child) deal(dec *json.Decoder) error {
	greeted := false
	for {
		var l line
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("what it says is no JSON: %w", err)
		case !greeted && l.Hello != hello:
			return fmt.Errorf("it says %q, not %q", l.Hello, hello)
		case !greeted:
			greeted = true
			close(c.ready)
		default:
			c.resolve(l)
		}
	}
}

func (c *Child) resolve(l line) {
	if reply := c.forget(l.ID); reply != nil {
		reply <- l // has room
	}
}

func (c *Child) forget(id uint64) chan line {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := c.calls[id]
	delete(c.calls, id)
	return reply
}

// Call asks the child for method and waits for the answer, which goes to reply
// (nil: not wanted). It fails with an *Error if the child says so, with ErrEnded if the
// child is no more, and when ctx is over: then the child is told that nobody waits.
func (c *Child) Call(ctx context.Context, method string, args, reply any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s: %s: arguments: %w", c.name, method, err)
	}
	id, answered, err := c.ask(method, raw)
	if err != nil {
		<-c.done // it does not read any more
		return c.ended()
	}
	select {
	case l := <-answered:
		return c.read(method, l, reply)
	case <-c.done:
	case <-ctx.Done():
		c.forget(id)
		_ = c.say(line{ID: id, Cancel: true})
		return fmt.Errorf("%s: %s: %w", c.name, method, ctx.Err())
	}
	select {
	case l := <-answered: // the last that it did
		return c.read(method, l, reply)
	default:
		return c.ended()
	}
}

func (c *Child) ask(method string, args json.RawMessage) (id uint64, answered chan line, err error) {
	answered = make(chan line, 1)
	c.mu.Lock()
	c.last++
	id = c.last
	c.calls[id] = answered
	c.mu.Unlock()
	return id, answered, c.say(line{ID: id, Method: method, Args: args})
}

func (c *Child) say(l line) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.NewEncoder(c.in).Encode(l)
}

func (c *Child) read(method string, l line, reply any) error {
	if l.Error != "" {
		return &Error{Child: c.name, Method: method, Text: l.Error}
	}
	if reply == nil {
		return nil
	}
	if err := decodeStrictly(l.Reply, reply); err != nil {
		return fmt.Errorf("%s: %s: reply: %w", c.name, method, err)
	}
	return nil
}

// ended says how the child ended; done is closed.
func (c *Child) ended() error {
	err := fmt.Errorf("%s: %w", c.name, ErrEnded)
	if c.err != nil {
		err = fmt.Errorf("%w: %w", err, c.err)
	}
	return fmt.Errorf("%w%s", err, c.stderr.quote())
}

// Pid of the child. It names the child until Close.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Close has the child end by ending its input, and waits until it has. A child
// that lingers is killed. The error says if it did not end well, with the end
// of its log. Idempotent.
func (c *Child) Close(ctx context.Context) error {
	_ = c.in.Close() // not under mu, so that it also frees a say that is stuck
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s: killed, it did not end: %w%s", c.name, ctx.Err(), c.stderr.quote())
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w%s", c.name, c.err, c.stderr.quote())
	}
	return nil
}

// Kill ends the child at once and waits for it. For one whose orderly end would
// take long and tell nothing.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}
