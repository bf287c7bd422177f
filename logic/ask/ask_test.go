package ask

import (
	"context"
	"errors"
	"io"
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
	"github.com/oortim/oort/proto/cometpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a comet that knows the message "m" and the room live://1, and can be
// held.
type server struct {
	cometpb.UnimplementedCometServer
	hold  chan struct{} // if not nil, Message waits for it
	asked chan struct{}
}

func (s *server) Message(ctx context.Context, req *cometpb.MessageRequest) (*cometpb.MessageReply, error) {
	if s.hold != nil {
		s.asked <- struct{}{}
		<-s.hold
	}
	if req.Id != "m" {
		return &cometpb.MessageReply{}, nil
	}
	return &cometpb.MessageReply{Known: true, SlowestUs: 1500, Ends: []*cometpb.End{
		{Outcome: "delivered", Links: 4}, {Outcome: "slow", Lane: "chat", Links: 1}, {Outcome: "slow", Lane: "gift", Links: 2},
	}}, nil
}

func (s *server) Room(_ context.Context, req *cometpb.RoomRequest) (*cometpb.RoomReply, error) {
	if req.Room != "live://1" {
		return nil, status.Error(codes.InvalidArgument, "no")
	}
	return &cometpb.RoomReply{
		Known: true, SinceUs: 5_000_000, Links: 3,
		Pushed: []*cometpb.Count{{Lane: "chat", N: 6}}, Handed: []*cometpb.Count{{Lane: "gift", N: 7}},
		Ends: []*cometpb.End{{Outcome: "delivered", Lane: "chat", Links: 8}, {Outcome: "delivered", Lane: "gift", Links: 9}},
	}, nil
}

// serve starts s and returns its address.
func serve(t *testing.T, s *server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	cometpb.RegisterCometServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); <-done })
	return l.Addr().String()
}

// ways dials, and counts what is open.
type ways struct {
	mu   sync.Mutex
	open int
	made int
}

func (w *ways) dial(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	if addr == "" {
		return nil, nil, errors.New("nowhere")
	}
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	w.add(1)
	return cc, closer(func() error { w.add(-1); return cc.Close() }), nil
}

func (w *ways) add(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
	w.made += max(n, 0)
}

func (w *ways) count() (open, made int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open, w.made
}

type closer func() error

func (c closer) Close() error { return c() }

func TestAnswers(t *testing.T) {
	w := &ways{}
	c := New(w.dial)
	defer c.Close()
	at := logic.Comet{Server: "c1@1", GRPCAddr: serve(t, &server{})}
	f, known, err := c.Message(t.Context(), at, "m")
	if err != nil || !known || f.Links["delivered"] != 4 || f.Links["slow"] != 3 || f.Slowest != 1500*time.Microsecond {
		t.Errorf("%+v, %v, %v", f, known, err)
	}
	if _, known, err := c.Message(t.Context(), at, "other"); err != nil || known {
		t.Errorf("an unknown message: %v, %v", known, err)
	}
	l, known, err := c.Room(t.Context(), at, "live://1")
	if err != nil || !known || l.Links != 3 || l.Pushed["chat"] != 6 || l.Handed["gift"] != 7 ||
		l.Ends["delivered"]["chat"] != 8 || l.Ends["delivered"]["gift"] != 9 || !l.Since.Equal(time.Unix(5, 0)) {
		t.Errorf("%+v, %v, %v", l, known, err)
	}
	if _, _, err := c.Room(t.Context(), at, "live://2"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a refusal: %v", err)
	}
	if _, _, err := c.Message(t.Context(), logic.Comet{Server: "c2@1"}, "m"); err == nil {
		t.Error("a comet without address was asked")
	}
	if open, made := w.count(); open != 1 || made != 1 {
		t.Errorf("%d channels open, %d made, for one comet", open, made)
	}
}

// A comet that moves is asked at its new address; a call under way at the old
// one ends as if nothing had happened, and then the old channel is closed.
func TestMovesWhileAsked(t *testing.T) {
	w := &ways{}
	c := New(w.dial)
	slow := &server{hold: make(chan struct{}), asked: make(chan struct{})}
	old := logic.Comet{Server: "c1@1", GRPCAddr: serve(t, slow)}
	ended := make(chan error, 1)
	go func() {
		_, known, err := c.Message(context.Background(), old, "m")
		if !known && err == nil {
			err = errors.New("not known")
		}
		ended <- err
	}()
	<-slow.asked
	moved := logic.Comet{Server: "c1@1", GRPCAddr: serve(t, &server{})}
	if _, known, err := c.Message(t.Context(), moved, "m"); err != nil || !known {
		t.Errorf("%v, %v", known, err)
	}
	if open, made := w.count(); open != 2 || made != 2 {
		t.Errorf("%d channels open, %d made", open, made)
	}
	close(slow.hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if open, _ := w.count(); open != 1 {
		t.Errorf("%d channels open when the old call has ended", open)
	}
	c.mu.Lock()
	c.tidyLocked(time.Now().Add(2 * idle))
	c.mu.Unlock()
	if open, _ := w.count(); open != 0 {
		t.Errorf("%d channels open after a while", open)
	}
	c.Close()
	if _, _, err := c.Message(t.Context(), moved, "m"); !errors.Is(err, logic.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}
