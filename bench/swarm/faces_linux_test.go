package swarm

import (
	"bytes"
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/bench/echo"
	"github.com/oortim/oort/bench/server"
)

const remote = "remote-swarm"

// Each method of the control face, from another process, does what its name
// says.
func TestRemote(t *testing.T) {
	srv, addrs := openServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := startRemote(ctx, remote)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	status := func() Status {
		t.Helper()
		st, err := r.Status(ctx)
		must(err)
		return st
	}
	counts := func() Counts {
		t.Helper()
		c, err := r.Counts(ctx)
		must(err)
		return c
	}
	reply, err := r.Dial(ctx, DialArgs{Addrs: addrs, Links: 10, Rooms: 1})
	if must(err); reply.Live != 10 {
		t.Fatalf("%+v", reply)
	}
	must(r.Reset(ctx, ResetArgs{Run: 3}))
	stalls, err := r.Stall(ctx, StallArgs{Share: 0.2})
	if must(err); stalls.Stalled != 2 || status().Stalled != 2 {
		t.Errorf("%+v, %+v", stalls, status())
	}
	push(t, srv, server.PushArgs{Run: 3, Rooms: 1, Rate: 100, Count: 3})
	await(t, "messages of steady links", func() bool { return counts().Messages == 3*8 })
	must(r.Resume(ctx))
	await(t, "all messages", func() bool { return counts().Messages == 3*10 })
	must(r.Beat(ctx, BeatArgs{Rate: 100}))
	await(t, "heartbeats", func() bool { return counts().BeatReplies > 5 })
	must(r.Beat(ctx, BeatArgs{}))
	must(r.Churn(ctx, ChurnArgs{Rate: 100}))
	await(t, "churn", func() bool { return counts().Joined > 5 })
	must(r.Churn(ctx, ChurnArgs{}))
	must(r.Part(ctx, CloseArgs{Reset: true}))
	if st := status(); st.Live != 0 || len(st.Lost) != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := r.Dial(ctx, DialArgs{}); err == nil || !strings.Contains(err.Error(), "no address to dial") {
		t.Errorf("a dial without address: %v", err)
	}
}

// A process holds more links than it may open descriptors.
func TestBeyondTheLimit(t *testing.T) {
	const limit, links = 200, 600
	_, addrs := openServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := startRemote(ctx, remote, strconv.Itoa(limit))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	reply, err := r.Dial(ctx, DialArgs{Addrs: addrs, Links: links, Rooms: 1})
	if err != nil || reply.Live != links {
		t.Fatalf("%+v, %v", reply, err)
	}
	st, err := r.Status(ctx)
	if err != nil || st.Live != links || st.Loops < links/limit {
		t.Errorf("%+v, %v", st, err)
	}
}

// echoAddrs is an echo server's TCP and WebSocket.
func echoAddrs(t *testing.T) []string {
	t.Helper()
	s, err := echo.Open(echo.Config{Listen: []string{"127.0.0.1:0"}, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	addr := s.Poller().Addrs()[0].String()
	return []string{"tcp://" + addr, "ws://" + addr + "/echo"}
}

func TestEchoClosedLoop(t *testing.T) {
	addrs := echoAddrs(t)
	s := openSwarm(t, 2)
	dial(t, s, DialArgs{Addrs: addrs, Links: 20, Bare: true})
	for i, size := range []int{0, 300, 100_000} {
		s.Echo(EchoArgs{Run: uint32(i + 1), Depth: 4, Size: size})
		await(t, "echoes", func() bool { return s.Counts().Messages > 1000 })
		s.Echo(EchoArgs{})
		await(t, "every echo", func() bool { c := s.Counts(); return c.Messages == c.EchoesSent })
		c := s.Counts()
		if c.Gaps+c.Doubles+c.Wrong+c.Stale != 0 || len(c.Lost) != 0 {
			t.Errorf("size %d: %+v", size, c)
		}
		if c.Least < 4 || c.Latency.Count != c.Messages {
			t.Errorf("size %d: a link had %d echoes; %d latencies of %d", size, c.Least, c.Latency.Count, c.Messages)
		}
	}
}

func TestEchoOpenLoop(t *testing.T) {
	addrs := echoAddrs(t)
	s := openSwarm(t, 1) // in which links take strict turns
	dial(t, s, DialArgs{Addrs: addrs, Links: 20, Bare: true})
	s.Echo(EchoArgs{Run: 1, Rate: 2000, Size: 64})
	await(t, "echoes", func() bool { return s.Counts().Messages > 500 })
	s.Echo(EchoArgs{})
	await(t, "every echo", func() bool { c := s.Counts(); return c.Messages == c.EchoesSent })
	c := s.Counts()
	// A link whose socket takes no more loses its turn.
	if c.Gaps+c.Doubles+c.Wrong+c.Stale != 0 || c.EchoesHeld == 0 && c.Most-c.Least > 1 {
		t.Errorf("%+v", c)
	}
}

func TestCommandHoldsLinks(t *testing.T) {
	_, addrs := openServer(t)
	var out bytes.Buffer
	c := Command{
		Addr: addrs, Links: 20, Rooms: 2, Room: "bench://", Heartbeat: 500 * time.Millisecond,
		Churn: 50, Duration: 1100 * time.Millisecond, Loops: 1,
	}
	if err := c.Run(t.Context(), nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		`live \d+ of 20, dialling \d+, messages 0/s, \d+\.\d MB resident, \d+ B a link\n`,
		`\nlinks +20 of 20 live, 0 tried again\n`, `\njoin +p50 `, `\nmemory +\d+`, `\nheartbeats +[1-9]\d+ sent`, `\nchurn +[1-9]`,
	} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
}

// Links that live beat though others are still dialled.
func TestCommandBeatsWhileDialling(t *testing.T) {
	_, addrs := openServer(t)
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	c := Command{Addr: addrs, Links: 1000, Rate: 100, Heartbeat: 200 * time.Millisecond, Loops: 1}
	if err := c.Run(ctx, nil, &out); !errors.Is(err, ErrLost) {
		t.Errorf("ends with %v, though not all were dialled", err)
	}
	if want := regexp.MustCompile(`\nheartbeats +[1-9]\d* sent`); !want.Match(out.Bytes()) {
		t.Errorf("no %s in\n%s", want, &out)
	}
}

func TestCommandEchoes(t *testing.T) {
	var out bytes.Buffer
	c := Command{Addr: echoAddrs(t), Links: 4, Bare: true, EchoDepth: 2, EchoSize: 100, Duration: 1100 * time.Millisecond, Loops: 1}
	if err := c.Run(t.Context(), nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{`messages [1-9]\d*/s`, `\nechoes +([1-9]\d*) sent, [1-9]\d* came back, 0 passed over, 0 doubled, 0 wrong; p50 \d`} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
}

func TestCommandTellsLosses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	var out bytes.Buffer
	c := Command{Addr: []string{"tcp://" + ln.Addr().String()}, Links: 3, Duration: time.Millisecond}
	if err := c.Run(t.Context(), nil, &out); !errors.Is(err, ErrLost) {
		t.Errorf("ends with %v\n%s", err, &out)
	}
	if want := "0 of 3 live, 9 tried again, failed (3 refused)"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, &out)
	}
	if err := (&Command{}).Validate(); err == nil {
		t.Error("no address is taken")
	}
	c = Command{Addr: []string{"nonsense"}, Links: 1}
	if err := c.Run(t.Context(), nil, &out); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("a bad address: %v", err)
	}
}

// startRemote runs a swarm in another process of this binary, whose arguments must
// lead to Serve.
func startRemote(ctx context.Context, args ...string) (Remote, error) {
	child, err := control.Start(ctx, "swarm", args...)
	return Remote{child}, err
}
