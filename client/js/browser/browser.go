// Package browser drives a headless Chromium in tests. It speaks the DevTools
// protocol over the browser's own pipe: no port is opened, and no library
// stands between a test and what the browser says.
package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything in the browser may take. Two busy cores under
// the race detector are slow.
const patience = 30 * time.Second

// Browser is one running Chromium with a profile of its own.
type Browser struct {
	cmd *exec.Cmd
	log bytes.Buffer // what it said; read after the process has ended

	wmu sync.Mutex // serialises writes to in
	in  *os.File
	out *os.File

	mu    sync.Mutex // guards what follows
	last  int
	calls map[int]chan<- reply
	pages map[string]*Page // by session
	err   error            // why nothing more will be answered
}

type reply struct {
	Result json.RawMessage
	Err    error
}

// message is what passes the pipe, in both directions.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start runs Chromium until the end of the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	b, err := start(t.TempDir())
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	t.Cleanup(func() { b.stop(t) })
	return b
}

func start(profile string) (*Browser, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	b := &Browser{in: in, out: out, calls: map[int]chan<- reply{}, pages: map[string]*Page{}}
	b.cmd = exec.Command("chromium", "--headless", "--remote-debugging-pipe",
		"--no-sandbox", // tests run as root
		"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding",
		"--hide-scrollbars", "--password-store=basic", "--user-data-dir="+profile)
	b.cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as Chromium wants them
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children, which end with it
	b.cmd.WaitDelay = patience
	err = b.cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	go b.read()
	return b, nil
}

// stop ends the browser and its children.
func (b *Browser) stop(t testing.TB) {
	b.in.Close() // the browser ends with its pipe
	ended := time.AfterFunc(patience/6, func() { syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) })
	b.cmd.Wait()
	ended.Stop()
	syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) // whoever is left of the group
	b.out.Close()
	if t.Failed() {
		t.Logf("browser said:\n%.4000s", b.log.String())
	}
}

// read hands replies and events on until the browser ends.
func (b *Browser) read() {
	r := bufio.NewReader(b.out)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			b.fail(err)
			return
		}
		var m message
		if err := json.Unmarshal(raw[:len(raw)-1], &m); err != nil {
			b.fail(fmt.Errorf("%.200q: %w", raw, err))
			return
		}
		b.dispatch(m)
	}
}

func (b *Browser) dispatch(m message) {
	b.mu.Lock()
	page, call := b.pages[m.Session], b.calls[m.ID]
	delete(b.calls, m.ID)
	b.mu.Unlock()
	switch {
	case m.Method != "" && page != nil:
		page.event(m)
	case call != nil && m.Error != nil:
		call <- reply{Err: errors.New(m.Error.Message)}
	case call != nil:
		call <- reply{Result: m.Result}
	}
}

func (b *Browser) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("the browser has ended")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	for _, call := range b.calls {
		call <- reply{Err: err}
	}
	clear(b.calls)
}

// call runs one command of the DevTools protocol and decodes its result.
func (b *Browser) call(session, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer := make(chan reply, 1)
	b.mu.Lock()
	if b.err != nil {
		b.mu.Unlock()
		return b.err
	}
	b.last++
	m := message{ID: b.last, Session: session, Method: method, Params: raw}
	b.calls[m.ID] = answer
	b.mu.Unlock()
	if err := b.write(m); err != nil {
		return err
	}
	select {
	case r := <-answer:
		if r.Err != nil {
			return fmt.Errorf("%s: %w", method, r.Err)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer in %v", method, patience)
	}
}

func (b *Browser) write(m message) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b.wmu.Lock()
	defer b.wmu.Unlock()
	_, err = b.in.Write(append(raw, 0))
	return err
}
