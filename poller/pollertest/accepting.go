package pollertest

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

var accepting = []test{
	{"accepting/at most AcceptBatch in a turn", acceptBatch},
	{"accepting/on several addresses, by all loops", acceptMany},
	{"accepting/on every address of the host", acceptEvery},
	{"accepting/a port in use is an error", acceptInUse},
	{"accepting/options that make no sense are errors", acceptBadOptions},
	{"accepting/pauses without descriptors and goes on", acceptStarved},
	{"accepting/opening without descriptors leaves nothing", openStarved},
	{"accepting/ends at StopAccept, and links live on", acceptStop},
}

func acceptBatch(t *testing.T, open Open) {
	const batch, peers = 3, 50
	held, release := make(chan bool), make(chan bool)
	inTurn := 0
	r := openRig(t, open, poller.Options{AcceptBatch: batch}, func(l poller.Loop, s *script) {
		s.open = func(poller.ID, poller.Conn) {
			if inTurn++; inTurn > batch {
				t.Errorf("%d links opened in a turn", inTurn)
			}
		}
		s.task = func(poller.Task) { held <- true; <-release }
		s.turn = func(time.Time) time.Duration { inTurn = 0; return -1 }
	})
	post(t, r.engine.Loops()[0], poller.Task{})
	wait(t, "OnTask", held)
	for range peers {
		r.dial()
	}
	release <- true
	r.eventually("every OnOpen", func() bool { return r.count() == peers })
	if n := r.engine.Stats().Accepted; n != peers {
		t.Errorf("Stats.Accepted is %d", n)
	}
}

func acceptMany(t *testing.T, open Open) {
	const dials = 64
	type opened struct {
		loop int
		c    poller.Conn
	}
	opens := make(chan opened, 2*dials)
	o := poller.Options{Loops: 3, Listen: []string{"127.0.0.1:0", "127.0.0.2:0"}}
	r := openRig(t, open, o, func(l poller.Loop, s *script) {
		s.open = func(_ poller.ID, c poller.Conn) { opens <- opened{l.Index(), c} }
	})
	addrs := r.engine.Addrs()
	if len(addrs) != 2 || len(r.engine.Loops()) != 3 {
		t.Fatalf("%d addresses, %d loops", len(addrs), len(r.engine.Loops()))
	}
	loops := map[int]int{}
	for i := range dials {
		p, err := net.Dial("tcp", addrs[i%2].String())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		got := wait(t, "OnOpen", opens)
		loops[got.loop]++
		if got.c.Listener != i%2 || got.c.Local.String() != addrs[i%2].String() || got.c.Remote.String() != p.LocalAddr().String() {
			t.Errorf("dialled %v from %v, OnOpen was told %+v", addrs[i%2], p.LocalAddr(), got.c)
		}
	}
	if len(loops) != 3 {
		t.Errorf("not every loop accepts: %v", loops)
	}
}

func acceptEvery(t *testing.T, open Open) {
	conns := make(chan poller.Conn, 10)
	r := openRig(t, open, poller.Options{Loops: 2, Listen: []string{":0"}}, func(_ poller.Loop, s *script) {
		s.open = func(_ poller.ID, c poller.Conn) { conns <- c }
	})
	_, port, _ := net.SplitHostPort(r.engine.Addrs()[0].String())
	for _, host := range []string{"127.0.0.1", "127.0.0.3"} {
		p, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c := wait(t, "OnOpen", conns)
		if c.Local.String() != p.RemoteAddr().String() || c.Remote.String() != p.LocalAddr().String() {
			t.Errorf("dialled %v from %v, OnOpen was told %+v", p.RemoteAddr(), p.LocalAddr(), c)
		}
	}
}

func acceptInUse(t *testing.T, open Open) {
	r := openRig(t, open, poller.Options{Loops: 2}, nil)
	addr := r.engine.Addrs()[0].String()
	handler := func(l poller.Loop) poller.Handler { return newReferee(l) }
	for _, listen := range [][]string{{addr}, {"127.0.0.1:0", addr}} {
		e, err := open(poller.Options{Loops: 2, Listen: listen, NewHandler: handler})
		if err == nil {
			e.Stop(context.Background())
			t.Fatalf("two engines listen on %s", addr)
		}
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), `"`+addr+`"`) {
			t.Errorf("the error is %v", err)
		}
	}
}

func acceptBadOptions(t *testing.T, open Open) {
	checkLeaks(t)
	handler := func(l poller.Loop) poller.Handler { return newReferee(l) }
	none := func(poller.Loop) poller.Handler { return nil }
	for name, o := range map[string]poller.Options{
		"no handler":       {Listen: []string{"127.0.0.1:0"}},
		"nil handler":      {Listen: []string{"127.0.0.1:0"}, NewHandler: none},
		"no port":          {Listen: []string{"127.0.0.1"}, NewHandler: handler},
		"port too large":   {Listen: []string{"127.0.0.1:99999"}, NewHandler: handler},
		"foreign address":  {Listen: []string{"192.0.2.1:0"}, NewHandler: handler},
		"second is bad":    {Listen: []string{"127.0.0.1:0", "127.0.0.1:x"}, NewHandler: handler},
		"negative loops":   {Loops: -1, NewHandler: handler},
		"negative rest":    {MaxRest: -1, NewHandler: handler},
		"negative queue":   {Queue: -1, NewHandler: handler},
		"negative backlog": {Backlog: -1, NewHandler: handler},
		"negative batch":   {AcceptBatch: -1, NewHandler: handler},
	} {
		if e, err := open(o); err == nil {
			e.Stop(context.Background())
			t.Errorf("%s: no error", name)
		}
	}
}

// acceptStarved lowers the process's limit, so it runs in one of its own.
func acceptStarved(t *testing.T, open Open) {
	if !inChild(t, "starved") {
		return
	}
	r := openRig(t, open, poller.Options{Loops: 2}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int { l.Write(id, in); return len(in) }
	})
	p := r.dial()
	send(t, p, "hello")
	expect(t, p, []byte("hello"))
	idle := len(descriptors(t))
	for round := range 2 {
		const connects = 5
		base := r.engine.Stats()
		var socks []int
		for range connects {
			socks = append(socks, socket(t))
		}
		relieve := r.starve()
		for _, fd := range socks {
			connect(t, fd, r.engine.Addrs()[0])
		}
		// Those that wait; an engine whose loops have tables of their own sends
		// the others away, or to another loop.
		waiting := func() (n uint64) {
			for _, fd := range socks {
				if alive(fd) {
					n++
				}
			}
			return n
		}
		r.eventually("a pause of accept", func() bool { return r.engine.Stats().AcceptPauses > base.AcceptPauses })
		for range 50 {
			send(t, p, "hello")
			expect(t, p, []byte("hello"))
		}
		relieve()
		start := time.Now()
		r.eventually("accept of what waited", func() bool { return r.engine.Stats().Accepted-base.Accepted == waiting() })
		r.eventually("accept after relief", r.accepts)
		if d := time.Since(start); d > 2*time.Second { // a second, and one for a busy machine
			t.Errorf("round %d: accept went on %v after relief", round, d)
		}
		for _, fd := range socks {
			unix.Close(fd)
		}
		// Else the next round would be given those that are closed late.
		r.eventually("the links' descriptors are closed", func() bool { return len(descriptors(t)) <= idle })
	}
}

// accepts says whether a peer that dials now becomes a link.
func (r *rig) accepts() bool {
	before := r.engine.Stats().Accepted
	c, err := net.DialTimeout("tcp", r.engine.Addrs()[0].String(), patience)
	if err != nil {
		return false // refused
	}
	defer c.Close()
	r.eventually("accept of a connect", func() bool { return r.engine.Stats().Accepted > before })
	return true
}

func socket(t *testing.T) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// connect connects fd, or is refused.
func connect(t *testing.T, fd int, to net.Addr) {
	sa := &unix.SockaddrInet4{Port: to.(*net.TCPAddr).Port, Addr: [4]byte(to.(*net.TCPAddr).IP.To4())}
	if err := unix.Connect(fd, sa); err != nil && err != unix.ECONNREFUSED {
		t.Fatal(err)
	}
}

// alive says whether fd is connected, and its peer has neither ended nor reset
// the connection.
func alive(fd int) bool {
	_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT|unix.MSG_PEEK)
	return err == unix.EAGAIN
}

// starve leaves the process spare descriptors only, until the function that it
// returns is called.
func starve(t *testing.T, spare int) (relieve func()) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 100
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	h := hog(t)
	h.release(spare)
	return func() {
		h.release(len(h))
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
}

// starve leaves nothing to the process, nor to a loop that has descriptors of
// its own.
func (r *rig) starve() (relieve func()) {
	relieveProcess := starve(r.t, 0)
	taken := make([]hogs, len(r.referees))
	for i := range taken {
		r.doOn(i, func(poller.Loop) { taken[i] = hog(r.t) })
	}
	return func() {
		for i := range taken {
			r.doOn(i, func(poller.Loop) { taken[i].release(len(taken[i])) })
		}
		relieveProcess()
	}
}

// hogs are descriptors that nobody needs.
type hogs []int

// hog takes all that there are.
func hog(t *testing.T) (h hogs) {
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		switch err {
		case nil:
			h = append(h, fd)
		case unix.EMFILE:
			return h
		default:
			t.Error(err)
			return h
		}
	}
}

func (h *hogs) release(n int) {
	for ; n > 0; n-- {
		unix.Close((*h)[len(*h)-1])
		*h = (*h)[:len(*h)-1]
	}
}

// openStarved lets every step of opening be the one that fails.
func openStarved(t *testing.T, open Open) {
	if !inChild(t, "starved") {
		return
	}
	checkLeaks(t)
	failed := 0
	for spare := range 12 {
		relieve := starve(t, spare)
		e, err := open(poller.Options{
			Loops:      3,
			Listen:     []string{"127.0.0.1:0", "127.0.0.2:0"},
			NewHandler: func(l poller.Loop) poller.Handler { return newReferee(l) },
		})
		relieve()
		switch {
		case err == nil:
			e.Stop(context.Background())
		case !errors.Is(err, syscall.EMFILE):
			t.Errorf("with %d descriptors: %v", spare, err)
		default:
			failed++
		}
	}
	if failed == 0 {
		t.Error("opening never failed")
	}
}

func acceptStop(t *testing.T, open Open) {
	r := openRig(t, open, poller.Options{Loops: 2}, func(l poller.Loop, s *script) {
		s.data = func(id poller.ID, in []byte) int { l.Write(id, in); return len(in) }
		s.task = func(poller.Task) {}
	})
	p := r.dial()
	send(t, p, "hello")
	expect(t, p, []byte("hello"))
	r.engine.StopAccept()
	r.engine.StopAccept()
	addr := r.engine.Addrs()[0].String()
	r.eventually("a refused connect", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	for range 20 {
		send(t, p, "hello")
		expect(t, p, []byte("hello"))
	}
}
