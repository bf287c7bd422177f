package raw

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// openEcho opens an engine whose loops send back what comes. They allocate, so
// that their threads have their part in collections.
func openEcho(t *testing.T, how Options, loops int) poller.Engine {
	t.Helper()
	e, err := how.Open(poller.Options{
		Listen: []string{"127.0.0.1:0"}, Loops: loops,
		NewHandler: func(l poller.Loop) poller.Handler { return &wasteful{quiet{&echo{loop: l, size: 1, wait: -1}}, nil} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// quiet is an echo that tells nobody of links.
type quiet struct{ *echo }

func (quiet) OnOpen(poller.ID, poller.Conn) {}

type wasteful struct {
	quiet
	waste []byte
}

func (w *wasteful) OnData(id poller.ID, in []byte) int {
	w.waste = make([]byte, 32<<10)
	return w.quiet.OnData(id, in)
}

func stop(t *testing.T, e poller.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// limitFiles lowers the process's limit until the test ends.
func limitFiles(t *testing.T, n uint64) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	})
}

// until waits for what must happen.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// Four loops hold more than three times what the process may open; full loops
// send connects to those that are not, all of them together refuse, and after
// relief they take new ones.
func TestPrivateTablesPassTheLimit(t *testing.T) {
	const limit, loops = 256, 4
	e := openEcho(t, Options{Private: true}, loops)
	c := newCrowd(t, e.Addrs()[0].String()) // as yet without the limit
	limitFiles(t, limit)
	// A connect that comes while a loop is closing may be lost, and what is
	// dealt to full loops in the 200 ms until all know is refused.
	full := c.ask("fill", 20)
	t.Logf("full: %+v", full)
	if full.live <= 3*limit {
		t.Errorf("%d links on %d loops with %d descriptors each", full.live, loops, limit)
	}
	if n := e.Stats().AcceptPauses; n < loops {
		t.Errorf("%d loops paused, of %d", n, loops)
	}
	if s := c.ask("echo", 0); s.lost > 0 {
		t.Errorf("%d links of %d are dead", s.lost, s.live)
	}
	c.ask("close", 3*limit)
	start := time.Now()
	until(t, "a link after relief", func() bool { return c.ask("dial", 1).refused == 0 })
	if d := time.Since(start); d > 2*time.Second { // a second, and one for a busy machine
		t.Errorf("accept went on %v after relief", d)
	}
	stop(t, e)
	if s := c.ask("echo", 0); s.lost != s.live {
		t.Errorf("%d links of %d outlive the engine", s.live-s.lost, s.live)
	}
}

// What the process had open when the loops took their tables does not stay
// open because of their copies.
func TestPrivateTablesHoldNothingOpen(t *testing.T) {
	server, client := tcpPair(t)
	defer client.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e := openEcho(t, Options{Private: true}, 3)
	defer stop(t, e)
	server.Close()
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	for name, from := range map[string]io.Reader{"connection": client, "pipe": r} {
		if _, err := from.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the end of the %s: %v", name, err)
		}
	}
}

// tcpPair is a connection of the process; the caller closes it.
func tcpPair(t *testing.T) (server, client net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Error(err)
		return
	}
	if server, err = ln.Accept(); err != nil {
		t.Error(err)
	}
	client.SetDeadline(time.Now().Add(20 * time.Second))
	return server, client
}

// There are two ways to leave the process's table, as containers refuse one.
func TestLeaveTable(t *testing.T) {
	for name, leave := range map[string]func() error{"unshare": leaveTable, "close_range": leaveByClosing} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fd := int(w.Fd())
		done := make(chan error)
		go onOwnThread(func() { done <- errors.Join(leave(), unix.Close(fd)) })
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Errorf("%s: closed in the process's table too: %v", name, err)
		}
		w.Close()
		r.Close()
	}
}

// The runtime stops and starts the world on any thread, also on a loop's, and
// polls the network there. Meanwhile the process's own connections, opened
// and closed at numbers that the loops use too, work as ever.
func TestPrivateTablesAndCollections(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	e := openEcho(t, Options{Private: true}, 2)
	defer stop(t, e)
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	const enough = 20
	before, began := collections(), time.Now()
	goOn := func() bool { // for a second, and longer where that brings too little
		took := time.Since(began)
		return took < time.Second || took < 20*time.Second && collections()-before < enough
	}
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for goOn() {
				c, err := net.Dial("tcp", e.Addrs()[0].String())
				for range 20 {
					err = errors.Join(err, echoes(c))
				}
				if err != nil {
					t.Error(err)
				}
				c.Close()
			}
		})
		crowd.Go(func() {
			for goOn() {
				server, client := tcpPair(t)
				server.Write([]byte("x"))
				server.Close()
				if got, err := io.ReadAll(client); err != nil || string(got) != "x" {
					t.Errorf("a connection of the process: %q, %v", got, err)
				}
				client.Close()
			}
		})
	}
	crowd.Wait()
	if n := collections() - before; n < enough {
		t.Errorf("only %d collections", n)
	}
}
