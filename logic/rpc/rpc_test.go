package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/logictest"
	"github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate is an authenticator whose answers a test holds back: a body names the
// gate that must be opened first.
type gate struct {
	mu     sync.Mutex // guards what follows
	gates  map[string]chan struct{}
	inside int
	most   int
}

func (g *gate) open(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.at(name))
}

// until waits until n links are inside.
func (g *gate) until(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		g.mu.Lock()
		inside := g.inside
		g.mu.Unlock()
		if inside >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d links are inside, want %d", inside, n)
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *gate) at(name string) chan struct{} {
	if g.gates[name] == nil {
		g.gates[name] = make(chan struct{})
	}
	return g.gates[name]
}

func (g *gate) Authenticate(ctx context.Context, links []logic.Credentials) []logic.Verdict {
	verdicts := make([]logic.Verdict, len(links))
	for i, l := range links {
		verdicts[i].Identity.AcceptsAll = true
		if string(l.Body) == "panic" {
			panic("on purpose")
		}
		if name := string(l.Body); name != "" {
			verdicts[i].Identity.Key = ident.Key(name)
			g.mu.Lock()
			wait := g.at(name)
			g.inside++
			g.most = max(g.most, g.inside)
			g.mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
				verdicts[i].Err = logic.ErrUnavailable
			}
			g.mu.Lock()
			g.inside--
			g.mu.Unlock()
		}
	}
	return verdicts
}

// world is a logic that is reached by gRPC.
type world struct {
	t      testing.TB
	gate   *gate
	svc    *logic.Service
	client logicpb.LogicClient
}

func newWorld(t testing.TB, opt rpc.Options) *world {
	t.Helper()
	store := session.NewMemory(session.TTLs{}, nil)
	w := &world{t: t, gate: &gate{gates: map[string]chan struct{}{}}}
	var err error
	w.svc, err = logic.New(logic.Config{Sessions: store, Registry: store, Publisher: &logictest.Publisher{}, Auth: w.gate, Heartbeat: time.Minute, Gather: -1})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	rpc.Register(server, rpc.New(w.svc, opt))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := errors.Join(<-served, w.svc.Close()); err != nil {
			t.Error(err)
		}
	})
	w.client = logicpb.NewLogicClient(conn)
	return w
}

func (w *world) stream() grpc.BidiStreamingClient[logicpb.SessionBatch, logicpb.SessionResults] {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	w.t.Cleanup(cancel)
	s, err := w.client.Sessions(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func batch(link uint64, body string) *logicpb.SessionBatch {
	return &logicpb.SessionBatch{Server: "c1@1", Connects: []*logicpb.Connect{{Link: link, Body: []byte(body)}}}
}

// TestSessionsInOrder: a slow batch does not hold the next one up, but answers
// come in the order of the requests.
func TestSessionsInOrder(t *testing.T) {
	w := newWorld(t, rpc.Options{})
	s := w.stream()
	for link, body := range []string{"first", "second", ""} {
		if err := s.Send(batch(uint64(link), body)); err != nil {
			t.Fatal(err)
		}
	}
	w.gate.until(t, 2)
	w.gate.open("second")
	w.gate.open("first")
	for want := range uint64(3) {
		r, err := s.Recv()
		if err != nil || len(r.Connected) != 1 || r.Connected[0].Link != want || r.Connected[0].Status != logicpb.Status_STATUS_OK {
			t.Fatalf("answer %d: %v, %v", want, r, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestSessionsBounded: no more batches of a stream than allowed are served at
// once, and all are answered.
func TestSessionsBounded(t *testing.T) {
	w := newWorld(t, rpc.Options{InFlight: 2})
	s := w.stream()
	const n = 10
	sent := make(chan error, 1)
	go func() {
		var err error
		for link := range uint64(n) {
			err = errors.Join(err, s.Send(batch(link, "wait")))
		}
		sent <- err
	}()
	w.gate.until(t, 3) // two that queue and the one that is being answered
	w.gate.open("wait")
	for want := range uint64(n) {
		if r, err := s.Recv(); err != nil || r.Connected[0].Link != want {
			t.Fatalf("answer %d: %v, %v", want, r, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if w.gate.most > 4 {
		t.Errorf("%d batches were served at once, want at most 4", w.gate.most)
	}
}

// TestSessionsAll: what the messages carry arrives and comes back.
func TestSessionsAll(t *testing.T) {
	w := newWorld(t, rpc.Options{})
	if _, err := w.client.Renew(context.Background(), &logicpb.RenewRequest{Server: "c1@1", Counter: 1}); err != nil {
		t.Fatal(err)
	}
	s := w.stream()
	if err := s.Send(&logicpb.SessionBatch{Server: "c1@1", Connects: []*logicpb.Connect{{Link: 5, SeenEpoch: 1 << 51}}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	c := r.Connected[0]
	if c.Link != 5 || c.Epoch <= 1<<51 || c.Key == "" || !c.AcceptsAll || c.HeartbeatMs != 60000 || r.Disconnected != 0 {
		t.Errorf("%v", r)
	}
	online := func() bool {
		found, err := w.svc.Sessions(context.Background(), ident.Key(c.Key), 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(found) == 1
	}
	if !online() {
		t.Error("not online after the answer")
	}
	if err := s.Send(&logicpb.SessionBatch{Server: "c1@1", Disconnects: []*logicpb.Disconnect{{Link: 5, Key: c.Key, Epoch: c.Epoch}, {Link: 6}}}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Recv(); err != nil || r.Disconnected != 2 || online() {
		t.Errorf("after the goodbye: %v, %v, online: %v", r, err, online())
	}
}

// TestBrokenStream: what a comet asked before its stream broke is done to the
// end, so that asking again finds it done.
func TestBrokenStream(t *testing.T) {
	w := newWorld(t, rpc.Options{})
	renew := func(counter uint64) {
		if _, err := w.client.Renew(context.Background(), &logicpb.RenewRequest{Server: "c1@1", Counter: counter}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := w.client.Sessions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(batch(7, "held")); err != nil {
		t.Fatal(err)
	}
	w.gate.until(t, 1)
	cancel()
	if _, err := s.Recv(); err == nil {
		t.Fatal("the stream goes on")
	}
	renew(1) // on the same connection: the server has heard of the end
	w.gate.open("held")
	deadline := time.Now().Add(10 * time.Second)
	for {
		found, err := w.svc.Sessions(context.Background(), "held", 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 && found[0].Link == 7 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the login was left half done")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestPanic: what makes the server panic costs its batch an answer, and nobody
// else anything.
func TestPanic(t *testing.T) {
	w := newWorld(t, rpc.Options{Log: slog.New(slog.DiscardHandler)})
	s := w.stream()
	for _, c := range []struct {
		body string
		want logicpb.Status
	}{{"panic", logicpb.Status_STATUS_UNAVAILABLE}, {"", logicpb.Status_STATUS_OK}} {
		if err := s.Send(batch(1, c.body)); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Recv(); err != nil || r.Connected[0].Link != 1 || r.Connected[0].Status != c.want {
			t.Errorf("%q: %v, %v", c.body, r, err)
		}
	}
}

// TestBadBatch: a batch that makes no sense ends the stream with a code that
// says so.
func TestBadBatch(t *testing.T) {
	w := newWorld(t, rpc.Options{Batch: 2})
	for name, b := range map[string]*logicpb.SessionBatch{
		"no server": {Connects: []*logicpb.Connect{{Link: 1}}},
		"too large": {Server: "c1@1", Connects: make([]*logicpb.Connect, 3)},
	} {
		s := w.stream()
		for i := range b.Connects {
			b.Connects[i] = &logicpb.Connect{}
		}
		if err := s.Send(b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestComets goes through the life of a comet.
func TestComets(t *testing.T) {
	w := newWorld(t, rpc.Options{TrustsClients: true})
	ctx := context.Background()
	r, err := w.client.Renew(ctx, &logicpb.RenewRequest{Server: "c1@1", GrpcAddr: "h:1", Draining: true, Counter: 1, Rooms: map[string]int32{"live://1": 3}})
	if err != nil || r.LeaseMs != 15000 || r.Rooms["live://1"] != 3 || !r.TrustsClients {
		t.Errorf("renew: %v, %v", r, err)
	}
	list, err := w.client.Comets(ctx, &logicpb.CometsRequest{})
	if err != nil || len(list.Comets) != 1 || list.Comets[0].Server != "c1@1" || list.Comets[0].GrpcAddr != "h:1" || !list.Comets[0].Draining {
		t.Errorf("comets: %v, %v", list, err)
	}
	if _, err := w.client.Leave(ctx, &logicpb.LeaveRequest{Server: "c1@1"}); err != nil {
		t.Error(err)
	}
	if list, err := w.client.Comets(ctx, &logicpb.CometsRequest{}); err != nil || len(list.Comets) != 0 {
		t.Errorf("comets after it left: %v, %v", list, err)
	}
	if reply, err := w.client.Receive(ctx, &logicpb.ReceiveRequest{Server: "c1@1", Body: []byte("x")}); err != nil || len(reply.Body) != 0 {
		t.Errorf("receive: %v, %v", reply, err)
	}
	for name, err := range map[string]error{
		"renew":   second(w.client.Renew(ctx, &logicpb.RenewRequest{Server: "no server"})),
		"leave":   second(w.client.Leave(ctx, &logicpb.LeaveRequest{})),
		"receive": second(w.client.Receive(ctx, &logicpb.ReceiveRequest{Server: "c1"})),
	} {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
