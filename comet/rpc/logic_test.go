package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/logicpb"
	"github.com/oortim/oort/proto/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// over runs a test on real gRPC over loopback and on the in-process channel.
func over(t *testing.T, run func(t *testing.T, serve server)) {
	t.Run("loopback", func(t *testing.T) { run(t, loopback) })
	t.Run("in process", func(t *testing.T) { run(t, inProcess) })
}

// server serves what register registers and returns the way to it.
type server func(t *testing.T, register func(grpc.ServiceRegistrar)) grpc.ClientConnInterface

func inProcess(_ *testing.T, register func(grpc.ServiceRegistrar)) grpc.ClientConnInterface {
	ch := new(inprocgrpc.Channel)
	register(ch)
	return ch
}

func loopback(t *testing.T, register func(grpc.ServiceRegistrar)) grpc.ClientConnInterface {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		s.Stop()
		<-served
	})
	return cc
}

// logicServer answers connects with their own link as epoch, and can break.
type logicServer struct {
	logicpb.UnimplementedLogicServer
	mu       sync.Mutex
	batches  int
	links    map[uint64]int // how often a connect came
	gone     map[uint64]int
	breaks   int           // streams to break, each after a batch was read
	hang     chan struct{} // if not nil, nothing is read before it is closed
	late     chan struct{} // if not nil, answers wait until it is closed
	goodbyes []*logicpb.Disconnect
	distort  func(*logicpb.SessionResults)
	received *logicpb.ReceiveRequest
	renewed  *logicpb.RenewRequest
	digests  []uint64 // told at a renewal
	mended   *logicpb.MendRequest
}

func newLogicServer() *logicServer {
	return &logicServer{links: map[uint64]int{}, gone: map[uint64]int{}}
}

func (s *logicServer) register(r grpc.ServiceRegistrar) { logicpb.RegisterLogicServer(r, s) }

func (s *logicServer) Sessions(stream grpc.BidiStreamingServer[logicpb.SessionBatch, logicpb.SessionResults]) error {
	for {
		s.mu.Lock()
		hang := s.hang
		s.mu.Unlock()
		if hang != nil {
			select {
			case <-hang:
			case <-stream.Context().Done():
				return nil
			}
		}
		b, err := stream.Recv()
		if err != nil {
			return nil
		}
		reply, err := s.answer(b)
		if err != nil {
			return err
		}
		s.mu.Lock()
		late := s.late
		s.mu.Unlock()
		if late != nil {
			<-late
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

func (s *logicServer) answer(b *logicpb.SessionBatch) (*logicpb.SessionResults, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	r := &logicpb.SessionResults{Disconnected: uint32(len(b.Disconnects))}
	for _, c := range b.Connects {
		s.links[c.Link]++
		r.Connected = append(r.Connected, &logicpb.Connected{
			Link: c.Link, Key: fmt.Sprint("k", c.Link), Room: "live://1", Epoch: c.Link, Mid: 7, Accepts: []int32{1000, 1001},
			HeartbeatMs: 1500, Message: string(c.Body) + c.RemoteIp + c.Origin,
		})
	}
	for _, d := range b.Disconnects {
		s.gone[d.Link]++
		s.goodbyes = append(s.goodbyes, d)
	}
	if s.breaks > 0 {
		s.breaks--
		return nil, status.Error(codes.Unavailable, "broken")
	}
	if s.distort != nil {
		s.distort(r)
	}
	return r, nil
}

func (s *logicServer) Renew(_ context.Context, r *logicpb.RenewRequest) (*logicpb.RenewReply, error) {
	s.renewed = r
	return &logicpb.RenewReply{LeaseMs: 9000, Rooms: map[string]int32{"live://1": 5}, TrustsClients: true, Digests: s.digests}, nil
}

func (s *logicServer) Mend(_ context.Context, r *logicpb.MendRequest) (*logicpb.MendReply, error) {
	s.mended = r
	return &logicpb.MendReply{
		Lost: r.Held[:1], Strangers: []*logicpb.Held{{Link: 9, Key: "s", Mid: 8, Epoch: 7}}, Missing: 6,
	}, nil
}

func (s *logicServer) Leave(context.Context, *logicpb.LeaveRequest) (*logicpb.LeaveReply, error) {
	return &logicpb.LeaveReply{}, nil
}

func (s *logicServer) Receive(_ context.Context, r *logicpb.ReceiveRequest) (*logicpb.ReceiveReply, error) {
	s.received = r
	return &logicpb.ReceiveReply{Body: []byte("answer")}, nil
}

func withLogic(t *testing.T, run func(t *testing.T, s *logicServer, l *Logic, ctx context.Context)) {
	over(t, func(t *testing.T, serve server) {
		s := newLogicServer()
		l := NewLogic(serve(t, s.register), Advert{Server: "c1@1", GRPC: "127.0.0.1:9", TCP: "public:1"})
		t.Cleanup(l.Close)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		run(t, s, l, ctx)
	})
}

func TestSessions(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		got, err := l.Sessions(ctx, []comet.Connect{
			{Link: 5, Body: []byte("body "), RemoteIP: "192.0.2.1 ", Origin: "https://x"}, {Link: 6},
		}, []comet.Disconnect{{Link: 4, Key: "k4", Mid: 7, Epoch: 4}})
		if err != nil {
			t.Fatal(err)
		}
		c := got[0]
		if len(got) != 2 || c.Key != "k5" || c.Room != "live://1" || c.Epoch != 5 || c.Mid != 7 || c.Status != comet.StatusOK ||
			c.Heartbeat != 1500*time.Millisecond || c.Message != "body 192.0.2.1 https://x" || len(c.Accepts) != 2 || got[1].Epoch != 6 {
			t.Errorf("got %+v", got)
		}
		if s.gone[4] != 1 {
			t.Errorf("disconnects %v", s.gone)
		}
	})
}

// Many at once share one stream, and each gets its own answers, also when the
// batches are larger than what the stream holds while nobody reads.
func TestSessionsAtOnce(t *testing.T) {
	withLogic(t, func(t *testing.T, _ *logicServer, l *Logic, ctx context.Context) {
		var wg sync.WaitGroup
		for w := range uint64(8) {
			wg.Go(func() {
				for round := range uint64(20) {
					var connects []comet.Connect
					for i := range uint64(100) {
						connects = append(connects, comet.Connect{Link: w<<32 | round<<16 | i, Body: make([]byte, 4000)})
					}
					got, err := l.Sessions(ctx, connects, nil)
					if err != nil || got[99].Epoch != connects[99].Link {
						t.Error("wrong answer", err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// A batch whose stream breaks is sent again, until it is answered.
func TestSessionsRepeatAfterABreak(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		s.breaks = 3
		got, err := l.Sessions(ctx, []comet.Connect{{Link: 5}}, []comet.Disconnect{{Link: 4}})
		if err != nil || got[0].Epoch != 5 {
			t.Fatalf("%+v, %v", got, err)
		}
		if s.links[5] != 4 || s.gone[4] != 4 {
			t.Errorf("came %d and %d times, want 4", s.links[5], s.gone[4])
		}
	})
}

// A logic that takes nothing holds no caller beyond its time, and the next one
// is served when logic is well again.
func TestSessionsWithHungLogic(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		hang := make(chan struct{})
		s.hang = hang
		var wg sync.WaitGroup
		begun := time.Now()
		for i := range uint64(8) {
			wg.Go(func() {
				short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
				if _, err := l.Sessions(short, []comet.Connect{{Link: i, Body: make([]byte, 200<<10)}}, nil); err == nil {
					t.Error("answered by a logic that hangs")
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("callers were held for %v", took)
		}
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		close(hang)
		if _, err := l.Sessions(ctx, []comet.Connect{{Link: 99}}, nil); err != nil {
			t.Error(err)
		}
	})
}

// Answers that do not fit the question are errors, or nobody's login.
func TestSessionsWrongAnswers(t *testing.T) {
	rows := map[string]func(*logicpb.SessionResults){
		"too few":    func(r *logicpb.SessionResults) { r.Connected = r.Connected[:1] },
		"too many":   func(r *logicpb.SessionResults) { r.Connected = append(r.Connected, r.Connected[0]) },
		"other link": func(r *logicpb.SessionResults) { r.Connected[1].Link = 77 },
		"no key":     func(r *logicpb.SessionResults) { r.Connected[1].Key = "" },
		"bad key":    func(r *logicpb.SessionResults) { r.Connected[1].Key = "a b" },
		"bad room":   func(r *logicpb.SessionResults) { r.Connected[1].Room = `a://"` },
		"new status": func(r *logicpb.SessionResults) { r.Connected[1].Status = 99 },
	}
	for name, distort := range rows {
		t.Run(name, func(t *testing.T) {
			withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
				s.distort = distort
				got, err := l.Sessions(ctx, []comet.Connect{{Link: 1}, {Link: 2}}, nil)
				if err == nil && (got[0].Status != comet.StatusOK || got[1].Status != comet.StatusUnavailable) {
					t.Errorf("took %+v", got)
				}
			})
		})
	}
}

func TestRenewAndReceive(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		got, err := l.Renew(ctx, comet.Report{TCPAddr: "own:1", WSAddr: "own:2", Links: 3, Rooms: map[string]int32{"live://1": 2}, Counter: 8, Leased: true})
		if err != nil || got.Lease != 9*time.Second || got.Rooms["live://1"] != 5 || !got.TrustsClients {
			t.Errorf("%+v, %v", got, err)
		}
		if r := s.renewed; r.TcpAddr != "public:1" || r.WsAddr != "own:2" || r.Server != "c1@1" || r.Weight != 1 || r.Counter != 8 || !r.Leased {
			t.Errorf("renewed %+v", r)
		}
		body, err := l.Receive(ctx, comet.Message{Key: "k", Room: "live://1", Seq: 4, Body: []byte("x")})
		if err != nil || string(body) != "answer" || s.received.Seq != 4 {
			t.Errorf("%q, %v", body, err)
		}
		if err := l.Leave(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Close ends what waits.
func TestClose(t *testing.T) {
	s := newLogicServer()
	s.hang = make(chan struct{})
	l := NewLogic(loopback(t, s.register), Advert{})
	failed := make(chan error, 1)
	go func() {
		_, err := l.Sessions(context.Background(), []comet.Connect{{Link: 1}}, nil)
		failed <- err
	}()
	time.AfterFunc(50*time.Millisecond, l.Close)
	if err := <-failed; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	l.Close()
}

// Digests are taken only whole; what is held and what is wrong comes across.
func TestMend(t *testing.T) {
	withLogic(t, func(t *testing.T, s *logicServer, l *Logic, ctx context.Context) {
		for _, n := range []int{0, 1, roster.Buckets - 1, roster.Buckets} {
			s.digests = make([]uint64, n)
			if n > 0 {
				s.digests[n-1] = 5
			}
			got, err := l.Renew(ctx, comet.Report{})
			if err != nil {
				t.Fatal(err)
			}
			if whole := n == roster.Buckets; (got.Digests != nil) != whole || whole && got.Digests[n-1] != 5 {
				t.Errorf("%d digests: %v", n, got.Digests)
			}
		}
		held := comet.Held{Link: 1 << 50, Key: "a", Mid: 3, Epoch: 4}
		got, err := l.Mend(ctx, []int{0, 255}, []comet.Held{held, {Key: "b"}})
		if err != nil || len(got.Lost) != 1 || got.Lost[0] != held || len(got.Strangers) != 1 || got.Missing != 6 ||
			got.Strangers[0] != (comet.Held{Link: 9, Key: "s", Mid: 8, Epoch: 7}) {
			t.Errorf("mended %+v, %v", got, err)
		}
		if r := s.mended; r.Server != "c1@1" || len(r.Buckets) != 2 || r.Buckets[1] != 255 || len(r.Held) != 2 {
			t.Errorf("asked %+v", r)
		}
	})
}
