//go:build linux

package floor

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
)

// netpoll's pollers are the process's and never end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"))
}

// pair is a connection and the descriptor of its other end.
func pair(t *testing.T) (near net.Conn, fd int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := far.(*net.TCPConn).File() // a second descriptor
	far.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return near, int(file.Fd())
}

func TestSend(t *testing.T) {
	a, x := pair(t)
	b, y := pair(t)
	if sent, short := Send([]int{x, y, -1}, []byte("hello")); sent != 2 || short != 1 {
		t.Errorf("sent %d, short %d", sent, short)
	}
	for _, c := range []net.Conn{a, b} {
		got := make([]byte, 5)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if sent, short := Send([]int{x}, nil); sent != 0 || short != 0 {
		t.Errorf("nothing: sent %d, short %d", sent, short)
	}
	// A socket that nobody reads is full after a while.
	block := make([]byte, 1<<20)
	for range 64 {
		if _, short := Send([]int{x}, block); short == 1 {
			return
		}
	}
	t.Error("64 MiB went into a socket that nobody reads")
}

func TestMeasure(t *testing.T) {
	used, err := Measure(func() { time.Sleep(20 * time.Millisecond) })
	if err != nil || used < 0 || used > 15*time.Millisecond {
		t.Errorf("sleeping took %v of CPU, %v", used, err)
	}
	start, n := time.Now(), 0
	used, err = Measure(func() {
		for time.Since(start) < 20*time.Millisecond {
			n++
		}
	})
	if err != nil || used <= 0 || used > time.Since(start) {
		t.Errorf("computing took %v of CPU in %v, %v", used, time.Since(start), err)
	}
}

func TestSockets(t *testing.T) {
	near, fd := pair(t)
	all, err := Sockets()
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]Socket{}
	for i, s := range all {
		found[s.FD] = s
		if i > 0 && s.FD <= all[i-1].FD {
			t.Errorf("%d after %d", s.FD, all[i-1].FD)
		}
	}
	want, _ := netip.ParseAddrPort(near.RemoteAddr().String())
	if s, ok := found[fd]; !ok || s.Local != want || s.Inode == 0 {
		t.Errorf("found %+v, want %v", s, want)
	}
	if _, ok := found[int(os.Stdin.Fd())]; ok {
		t.Error("standard input is a connection")
	}
}

// quiet is a handler that only counts the tasks that are its own.
type quiet struct{ tasks chan poller.Task }

func (quiet) OnOpen(poller.ID, poller.Conn)         {}
func (quiet) OnData(_ poller.ID, in []byte) int     { return len(in) }
func (quiet) OnWritable(poller.ID)                  {}
func (quiet) OnClose(poller.ID, error)              {}
func (q quiet) OnTask(t poller.Task)                { q.tasks <- t }
func (quiet) OnTurn(time.Time) (wait time.Duration) { return -1 }
func (quiet) OnStop()                               {}

// On every engine, with one descriptor table or one a loop, the taps find each
// link once and can write to it, and the handler's own tasks still arrive.
func TestTaps(t *testing.T) {
	for _, spec := range engines.Specs() {
		t.Run(spec, func(t *testing.T) {
			const links, loops = 7, 3
			taps, h := new(Taps), quiet{make(chan poller.Task, 1)}
			e, err := engines.Open(spec, poller.Options{
				Listen: []string{"127.0.0.1:0"}, Loops: loops,
				NewHandler: func(l poller.Loop) poller.Handler { return taps.Wrap(l, h) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			var conns []net.Conn
			for range links {
				c, err := net.Dial("tcp", e.Addrs()[0].String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				conns = append(conns, c)
			}
			awaitAccepted(t, e, links)
			if !e.Loops()[1].Post(poller.Task{Kind: 7, Arg: 8}) {
				t.Fatal("not posted")
			}
			if task := <-h.tasks; task.Kind != 7 || task.Arg != 8 {
				t.Errorf("the handler got %+v", task)
			}
			at, _ := netip.ParseAddrPort(e.Addrs()[0].String())
			of, err := taps.Sockets(t.Context(), func(s Socket) bool { return s.Local == at })
			if err != nil {
				t.Fatal(err)
			}
			inodes := map[uint64]bool{}
			for _, own := range of {
				for _, s := range own {
					inodes[s.Inode] = true
				}
			}
			if len(inodes) == 0 {
				t.Logf("%s keeps its sockets outside of descriptor tables", spec)
				return
			}
			if len(inodes) != links {
				t.Fatalf("%d sockets of %d links", len(inodes), links)
			}
			var mu sync.Mutex
			sum := 0
			err = taps.Each(t.Context(), func(loop int) error {
				for _, s := range of[loop] {
					sent, _ := Send([]int{s.FD}, []byte("x"))
					mu.Lock()
					sum += sent
					mu.Unlock()
				}
				return nil
			})
			if err != nil || sum != links {
				t.Fatalf("%d sends, %v", sum, err)
			}
			for _, c := range conns {
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Error(err)
				}
			}
			if err := taps.Each(t.Context(), func(loop int) error {
				if loop == 1 {
					return io.ErrNoProgress
				}
				return nil
			}); err == nil {
				t.Error("an error of a loop is lost")
			}
		})
	}
}

func awaitAccepted(t *testing.T, e poller.Engine, n uint64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); e.Stats().Accepted < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d links accepted", e.Stats().Accepted, n)
		}
	}
}

func TestDoor(t *testing.T) {
	d, err := OpenDoor([]byte("welcome"))
	if err != nil {
		t.Fatal(err)
	}
	const links = 20
	for range links {
		c, err := net.Dial("tcp", d.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("it is me")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 7)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "welcome" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	gone, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	e, err := d.Close()
	if err != nil || e.Links != links || e.CPU <= 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if c, err := net.Dial("tcp", d.Addr().String()); err == nil {
		c.Close()
		t.Error("the door is open")
	}
}
