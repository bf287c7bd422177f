package pollertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/poller"
)

// patience is how long a test waits for what must happen. It is long, as the
// machine may be busy; nothing waits for it to pass.
const patience = 20 * time.Second

// rig is an engine under test and the peers of its links.
type rig struct {
	t        *testing.T
	engine   poller.Engine
	referees []*referee
	peers    []*net.TCPConn

	mu     sync.Mutex
	opened []poller.ID // guarded by mu; of loop 0, in order
}

// openRig opens an engine of one loop, unless o says otherwise, on one
// loopback address. set may fill in the script of each loop. When the test
// ends the engine is stopped, and the referees are heard.
func openRig(t *testing.T, open Open, o poller.Options, set func(l poller.Loop, s *script)) *rig {
	t.Helper()
	checkLeaks(t)
	r := &rig{t: t}
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.Listen == nil {
		o.Listen = []string{"127.0.0.1:0"}
	}
	o.NewHandler = func(l poller.Loop) poller.Handler {
		ref := newReferee(l)
		if set != nil {
			set(ref.loop, &ref.script)
		}
		r.watchOpen(ref)
		r.referees = append(r.referees, ref)
		return ref
	}
	var err error
	if r.engine, err = open(o); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(r.finish)
	return r
}

// watchOpen has the rig learn the IDs of loop 0's links.
func (r *rig) watchOpen(ref *referee) {
	if ref.loop.Index() != 0 {
		return
	}
	scripted := ref.script.open
	ref.script.open = func(id poller.ID, c poller.Conn) {
		r.mu.Lock()
		r.opened = append(r.opened, id)
		r.mu.Unlock()
		if scripted != nil {
			scripted(id, c)
		}
	}
}

func (r *rig) finish() {
	for _, p := range r.peers {
		p.Close()
	}
	r.stop()
	for _, ref := range r.referees {
		ref.mu.Lock()
		if len(ref.faults) > 0 {
			r.t.Errorf("loop %d broke the rules:\n  %s\nhistory:\n  %s", ref.loop.Index(),
				strings.Join(ref.faults[:min(5, len(ref.faults))], "\n  "), strings.Join(ref.history, "\n  "))
		}
		ref.mu.Unlock()
	}
}

func (r *rig) stop() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.engine.Stop(ctx); err != nil {
		r.t.Errorf("Stop: %v", err)
	}
}

// dial connects a peer to the first address.
func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	return r.dialTo(r.engine.Addrs()[0])
}

func (r *rig) dialTo(addr net.Addr) *net.TCPConn {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", addr.String(), patience)
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	p := c.(*net.TCPConn)
	r.peers = append(r.peers, p)
	p.SetDeadline(time.Now().Add(patience))
	return p
}

// link connects a peer and waits for its OnOpen (on loop 0).
func (r *rig) link() (poller.ID, *net.TCPConn) {
	r.t.Helper()
	before := r.count()
	p := r.dial()
	r.eventually("OnOpen", func() bool { return r.count() > before })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened[before], p
}

func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.opened)
}

// do runs f on loop 0, as a task, and waits for its end.
func (r *rig) do(f func(l poller.Loop)) {
	r.t.Helper()
	r.doOn(0, f)
}

func (r *rig) doOn(loop int, f func(l poller.Loop)) {
	r.t.Helper()
	c := &call{f: f, done: make(chan struct{})}
	if !r.engine.Loops()[loop].Post(poller.Task{Ref: c}) {
		r.t.Fatalf("Post was refused")
	}
	wait(r.t, "a task", c.done)
}

// eventually waits until cond holds.
func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	eventually(r.t, what, cond)
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// wait receives from c.
func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never happened: %s", what)
		panic("unreachable")
	}
}

// send writes b from the peer's side.
func send(t *testing.T, p *net.TCPConn, b string) {
	t.Helper()
	if _, err := p.Write([]byte(b)); err != nil {
		t.Fatalf("peer cannot write: %v", err)
	}
}

// expect reads exactly want on the peer's side.
func expect(t *testing.T, p *net.TCPConn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("peer got %d of %d bytes, equal: %v, error %v", n, len(want), bytes.Equal(got, want), err)
	}
}

// expectEnd reads the end of the stream, by FIN or reset.
func expectEnd(t *testing.T, p *net.TCPConn) {
	t.Helper()
	n, err := io.Copy(io.Discard, p)
	if n != 0 {
		t.Fatalf("peer got %d more bytes before the end", n)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("peer was never told of the end")
	}
}

// pattern is n bytes that tell where they belong.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// reset makes the peer's close a reset.
func reset(p *net.TCPConn) {
	p.SetLinger(0)
	p.Close()
}

// checkLeaks fails t if, after its other clean-ups, it leaves a goroutine or a
// descriptor.
func checkLeaks(t *testing.T) {
	t.Helper()
	warmUp(t)
	before := descriptors(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		var after []string
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if after = descriptors(t); len(after) <= len(before) {
				return
			}
		}
		t.Errorf("descriptors left: before %d, after %d\n%s", len(before), len(after), strings.Join(after, "\n"))
	})
}

// warmUp makes the runtime open the descriptors of its own that it keeps.
func warmUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

// descriptors lists those of the process, and those of threads that have a
// table of their own (unshare(2), CLONE_FILES).
func descriptors(t *testing.T) []string {
	shared := table(t, "/dev/fd")
	list := shared
	threads, _ := filepath.Glob("/proc/self/task/*/fd") // none where there is no such thing
	for _, thread := range threads {
		if own := table(t, thread); !slices.Equal(own, shared) {
			list = append(list, own...)
		}
	}
	return list
}

// table lists the descriptors in dir, but the one it lists them by.
func table(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a thread that has ended
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			list = append(list, fmt.Sprintf("%s → %s", e.Name(), to))
		}
	}
	return list
}
