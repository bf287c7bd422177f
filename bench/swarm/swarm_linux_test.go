package swarm

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/bench/server"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// Importing the library engines starts goroutines that live as long as the
// process. The template thread, from which Go makes threads once one is
// locked, is none of ours either.
//
// The test's binary is also a swarm in a process of its own, for TestRemote.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == remote {
		if err := runRemote(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// runRemote is a swarm for a conductor, under a limit of descriptors if there is
// an argument.
func runRemote(limit []string) error {
	if len(limit) > 0 {
		n, err := strconv.ParseUint(limit[0], 10, 64)
		if err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	return (&Command{Control: true, Loops: 1}).Run(context.Background(), os.Stdin, os.Stdout)
}

// await waits until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// openSwarm is a swarm that ends with the test and leaves no descriptor in any
// thread's table.
func openSwarm(t *testing.T, loops int) *Swarm {
	t.Helper()
	before := sockets(t)
	s, err := Open(loops)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.End()
		await(t, "no descriptor more than before", func() bool { return sockets(t) <= before })
	})
	return s
}

// sockets counts those in the tables of all threads, each once.
func sockets(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:") {
			found[to] = true
		}
	}
	return len(found)
}

func openServer(t *testing.T) (*server.Server, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	flags := server.Flags{Loops: 2, TCP: []string{"127.0.0.1:0"}, WS: []string{"127.0.0.1:0"}, Logic: "memory"}
	s, err := flags.Open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	a := s.Addresses()
	return s, append(a.TCP, a.WS...)
}

func dial(t *testing.T, s *Swarm, a DialArgs) DialReply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := s.Dial(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if r.Live != a.Links || len(r.Failed) != 0 {
		t.Fatalf("%+v of %d links", r, a.Links)
	}
	return r
}

func push(t *testing.T, srv *server.Server, a server.PushArgs) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := srv.Push(ctx, a); err != nil {
		t.Fatal(err)
	}
}

const members = 60

func TestPushesArrive(t *testing.T) {
	srv, addrs := openServer(t)
	s := openSwarm(t, 2)
	r := dial(t, s, DialArgs{Addrs: addrs, Links: members, Rooms: 3, Key: "k"})
	if r.Join.Count != members || r.Join.P50 <= 0 || r.Join.Max > patience {
		t.Errorf("join %+v", r.Join)
	}
	s.Reset(ResetArgs{Run: 7})
	push(t, srv, server.PushArgs{Run: 7, Rooms: 3, Rate: 1000, Batch: 10, Count: 50, Size: 200})
	push(t, srv, server.PushArgs{Run: 7, Rooms: 0, Rate: 1000, Count: 5, Size: 4000})
	push(t, srv, server.PushArgs{Run: 6, Rooms: 3, Rate: 1000, Count: 1})
	await(t, "every message", func() bool {
		c := s.Counts()
		return c.Messages == members*55 && c.Stale == members
	})
	c := s.Counts()
	if c.Gaps+c.Doubles+c.Wrong != 0 || c.Steady != members || c.Least != 55 || c.Most != 55 {
		t.Errorf("%+v", c)
	}
	if c.Latency.Count != c.Messages || c.Latency.P50 <= 0 || c.Latency.Max > patience {
		t.Errorf("latency %+v", c.Latency)
	}
	if least := int64(members * (50*216 + 5*4016)); c.Bytes < least || c.Bytes > least+1000*members {
		t.Errorf("%d bytes read, want a little more than %d", c.Bytes, least)
	}
	// The same once more: a reset begins anew.
	s.Reset(ResetArgs{Run: 8})
	push(t, srv, server.PushArgs{Run: 8, Rooms: 3, Rate: 1000, Count: 2})
	await(t, "every message of the second run", func() bool { return s.Counts().Messages == members*2 })
	if c := s.Counts(); c.Gaps+c.Doubles+c.Wrong+c.Stale != 0 || c.Most != 2 {
		t.Errorf("%+v", c)
	}
	if st := s.Status(); st.Live != members || st.Asked != members || len(st.Lost) != 0 || st.RSS <= 0 || st.Loops != 2 {
		t.Errorf("%+v", st)
	}
}

func TestBeat(t *testing.T) {
	_, addrs := openServer(t)
	s := openSwarm(t, 2)
	dial(t, s, DialArgs{Addrs: addrs, Links: members, Rooms: 1})
	s.Reset(ResetArgs{Run: 1})
	s.Beat(BeatArgs{Rate: 2000})
	await(t, "300 replies", func() bool { return s.Counts().BeatReplies >= 300 })
	s.Beat(BeatArgs{})
	await(t, "every reply", func() bool { c := s.Counts(); return c.BeatReplies == c.Beats })
	c := s.Counts()
	if c.Wrong != 0 || c.BeatLatency.Count != c.Beats || c.BeatLatency.Max > patience || len(c.Lost) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestChurn(t *testing.T) {
	srv, addrs := openServer(t)
	s := openSwarm(t, 2)
	dial(t, s, DialArgs{Addrs: addrs, Links: members, Rooms: 2, Key: "churn-"})
	for _, reset := range []bool{false, true} {
		s.Reset(ResetArgs{Run: 1})
		s.Churn(ChurnArgs{Rate: 1000, Reset: reset})
		push(t, srv, server.PushArgs{Run: 1, Rooms: 2, Rate: 200, Count: 40})
		await(t, "links that came back", func() bool { return s.Counts().Joined >= 2*members })
		s.Churn(ChurnArgs{})
		await(t, "every link back", func() bool { st := s.Status(); return st.Live == members && st.Dialling == 0 })
		c := s.Counts()
		if c.Joined != c.Churned || c.Join.Count != c.Joined || c.Doubles+c.Wrong != 0 || len(c.Failed)+len(c.Lost) != 0 {
			t.Errorf("%+v", c)
		}
		if c.Messages == 0 {
			t.Error("nothing arrived")
		}
	}
}

func TestStall(t *testing.T) {
	srv, addrs := openServer(t)
	s := openSwarm(t, 2)
	dial(t, s, DialArgs{Addrs: addrs, Links: members, Rooms: 1})
	s.Reset(ResetArgs{Run: 1})
	r := s.Stall(StallArgs{Share: 0.25})
	if r.Stalled < members/4-2 || r.Stalled > members/4 {
		t.Fatalf("%d stalled", r.Stalled)
	}
	steady := int64(members - r.Stalled)
	push(t, srv, server.PushArgs{Run: 1, Rooms: 1, Rate: 1000, Count: 20})
	await(t, "the others' messages", func() bool { return s.Counts().Messages == 20*steady })
	if c := s.Counts(); c.Steady != steady || c.Least != 20 || c.StalledMessages != 0 {
		t.Errorf("stalled: %+v", c)
	}
	s.Resume()
	await(t, "everybody's messages", func() bool { return s.Counts().Messages == 20*members })
	c := s.Counts()
	if c.StalledMessages != 20*int64(r.Stalled) || c.Latency.Count != 20*steady || c.Gaps+c.Doubles+c.Wrong != 0 {
		t.Errorf("resumed: %+v", c)
	}
	if st := s.Status(); st.Stalled != 0 || len(st.Lost) != 0 {
		t.Errorf("%+v", st)
	}
}

// More links than a loop has room for get another loop.
func TestGrow(t *testing.T) {
	_, addrs := openServer(t)
	s := openSwarm(t, 1)
	s.room = 25
	dial(t, s, DialArgs{Addrs: addrs, Links: 20})
	dial(t, s, DialArgs{Addrs: addrs, Links: 40, Rate: 1000})
	st := s.Status()
	if st.Loops != 3 || st.Live != 60 {
		t.Errorf("%+v", st)
	}
	s.Close(CloseArgs{})
	if st := s.Status(); st.Live != 0 || len(st.Lost) != 0 {
		t.Errorf("after Close: %+v", st)
	}
}

func TestRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	s := openSwarm(t, 2)
	r, err := s.Dial(t.Context(), DialArgs{Addrs: []string{"tcp://" + addr}, Links: 9, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Live != 0 || r.Retries != 9 || !maps.Equal(r.Failed, map[string]int64{"refused": 9}) {
		t.Errorf("%+v", r)
	}
}

// A server that says nothing is given up, and a dial that is cancelled too.
func TestSilence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addrs := []string{"tcp://" + ln.Addr().String(), "ws://" + ln.Addr().String()}
	s := openSwarm(t, 1)
	r, err := s.Dial(t.Context(), DialArgs{Addrs: addrs, Links: 4, Timeout: 10 * time.Millisecond, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]int64{"timed out joining": 2, "timed out upgrading": 2}; !maps.Equal(r.Failed, want) {
		t.Errorf("%+v, want %v", r, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err = s.Dial(ctx, DialArgs{Addrs: addrs, Links: 10, UnderWay: 4})
	if err == nil || r.Live != 0 || r.Failed["abandoned"] != 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A server that ends links, or makes no sense, is told apart.
func TestLostByReason(t *testing.T) {
	for _, c := range []struct {
		says string // after the auth reply
		want string
	}{
		{"", "ended by server"},
		{string(f(6, 0, `{"code":3007,"reason":"slow","retry_ms":1000}`)), "disconnected 3007"},
		{string(f(9, 0, "")), "malformed: a batch where none may be"},
		{string(f(3, 2, "abcd")), "malformed: a heartbeat reply that nobody waits for"},
	} {
		addr := script(t, string(f(8, authSeq, ""))+c.says)
		s := openSwarm(t, 1)
		if _, err := s.Dial(t.Context(), DialArgs{Addrs: []string{"tcp://" + addr}, Links: 3}); err != nil {
			t.Fatal(err)
		}
		await(t, "the loss", func() bool { return s.Status().Live == 0 })
		if st := s.Status(); !maps.Equal(st.Lost, map[string]int64{c.want: 3}) {
			t.Errorf("%q: %+v", c.says, st)
		}
	}
}

// script is a server that reads an auth frame, says words and ends.
func script(t *testing.T, words string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 16)
			if _, err := io.ReadFull(c, head); err == nil {
				body := make([]byte, int(head[2])<<8+int(head[3])-16)
				_, _ = io.ReadFull(c, body)
				_, _ = io.WriteString(c, words)
			}
			c.Close()
		}
	}()
	return ln.Addr().String()
}

// A loop's table starts as a copy of the process's. A connection that the
// process then closes must end, though a loop had a copy of it.
func TestTablesHoldNoStrangers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	_, addrs := openServer(t)
	s := openSwarm(t, 2)
	dial(t, s, DialArgs{Addrs: addrs, Links: 4})
	c.Close()
	peer.SetReadDeadline(time.Now().Add(patience))
	if n, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%d, %v instead of the end", n, err)
	}
	// The collector stops the world, on the loops' threads too.
	for range 3 {
		runtime.GC()
	}
	if st := s.Status(); st.Live != 4 {
		t.Errorf("%+v", st)
	}
}
