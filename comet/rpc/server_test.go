package rpc

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/pushpb"
)

const own = "c1@5"

func openComet(t *testing.T) *comet.Server {
	t.Helper()
	logic := NewLogic(loopback(t, newLogicServer().register), Advert{Server: own})
	c, err := comet.Open(comet.Config{
		Server: own, TCP: []string{"127.0.0.1:0"}, Loops: 2,
		Engine: func(o poller.Options) (poller.Engine, error) { return engines.Open("", o) },
		Times:  comet.Times{Settle: time.Millisecond, Linger: 10 * time.Millisecond},
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, logic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		logic.Close()
	})
	return c
}

func withServer(t *testing.T, run func(t *testing.T, c *comet.Server, s cometpb.Comet_PushClient)) {
	over(t, func(t *testing.T, serve server) {
		c := openComet(t)
		cc := serve(t, func(r grpc.ServiceRegistrar) { cometpb.RegisterCometServer(r, NewServer(c, Options{})) })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stream, err := cometpb.NewCometClient(cc).Push(ctx)
		if err != nil {
			t.Fatal(err)
		}
		run(t, c, stream)
	})
}

func hello(server string) *cometpb.ToComet {
	return &cometpb.ToComet{Kind: &cometpb.ToComet_Hello{Hello: &cometpb.Hello{Job: "j", Server: server}}}
}

func batch(seq uint64, topic []byte, records ...*cometpb.Record) *cometpb.ToComet {
	return &cometpb.ToComet{Kind: &cometpb.ToComet_Batch{Batch: &cometpb.Batch{Seq: seq, TopicId: topic, Records: records}}}
}

// ask sends one message and reads one, besides what is told of rooms.
func ask(t *testing.T, s cometpb.Comet_PushClient, m *cometpb.ToComet) *cometpb.FromComet {
	t.Helper()
	if err := s.Send(m); err != nil {
		t.Fatal(err)
	}
	for {
		if got := receive(t, s); got.GetRooms() == nil {
			return got
		}
	}
}

func receive(t *testing.T, s cometpb.Comet_PushClient) *cometpb.FromComet {
	t.Helper()
	got, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// refuse sends one message and wants the stream's end.
func refuse(t *testing.T, s cometpb.Comet_PushClient, m *cometpb.ToComet, want codes.Code) {
	t.Helper()
	_ = s.Send(m) // may fail once the other side has ended
	for {
		got, err := s.Recv()
		if err == nil && got.GetRooms() != nil {
			continue
		}
		if status.Code(err) != want {
			t.Errorf("ended with %v, want %v", err, want)
		}
		return
	}
}

// What a job holds for an earlier run of the comet is for links that are gone.
func TestHelloToAnotherRun(t *testing.T) {
	withServer(t, func(t *testing.T, _ *comet.Server, s cometpb.Comet_PushClient) {
		refuse(t, s, hello("c1@4"), codes.FailedPrecondition)
	})
}

func TestHelloMustBeFirst(t *testing.T) {
	withServer(t, func(t *testing.T, _ *comet.Server, s cometpb.Comet_PushClient) {
		refuse(t, s, batch(1, make([]byte, 16)), codes.InvalidArgument)
	})
}

func TestHelloOnlyOnce(t *testing.T) {
	withServer(t, func(t *testing.T, _ *comet.Server, s cometpb.Comet_PushClient) {
		ask(t, s, hello(own))
		refuse(t, s, hello(own), codes.InvalidArgument)
	})
}

func TestBadTopicID(t *testing.T) {
	withServer(t, func(t *testing.T, _ *comet.Server, s cometpb.Comet_PushClient) {
		ask(t, s, hello(own))
		refuse(t, s, batch(1, make([]byte, 15)), codes.InvalidArgument)
	})
}

// Each record has its outcome, in order; a repeated batch is seen as one.
func TestBatches(t *testing.T) {
	withServer(t, func(t *testing.T, _ *comet.Server, s cometpb.Comet_PushClient) {
		w := ask(t, s, hello(own)).GetWelcome()
		if w.GetServer() != own || w.MaxBatchBytes != MaxBatch {
			t.Fatalf("welcome %+v", w)
		}
		if n := ask(t, s, &cometpb.ToComet{Kind: &cometpb.ToComet_Sync{Sync: &cometpb.Sync{N: 9}}}).GetSync(); n.GetN() != 9 {
			t.Errorf("sync %+v", n)
		}
		records := []*cometpb.Record{
			{Offset: 1, Push: &pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Op: 1000, Keys: []string{"a", "b"}}},
			{Offset: 2, Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Op: 1000, Room: "live://1", Server: "c1@4"}},
			{Offset: 3, Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Op: 1000, Room: "live://1", ExpiresUs: 1}},
			{Offset: 4, Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ROOM, Op: 5, Room: "live://1"}},
			{Offset: 5},
		}
		ack := ask(t, s, batch(7, make([]byte, 16), records...)).GetAck()
		if ack.GetSeq() != 7 || len(ack.Outcomes) != len(records) {
			t.Fatalf("ack %+v", ack)
		}
		if m := ack.Outcomes[0].Missing; len(m) != 2 || m[0] != "a" {
			t.Errorf("missing %v", m)
		}
		drops := []cometpb.Drop{cometpb.Drop_DROP_NONE, cometpb.Drop_DROP_CLOSED, cometpb.Drop_DROP_EXPIRED, cometpb.Drop_DROP_INVALID, cometpb.Drop_DROP_INVALID}
		for i, o := range ack.Outcomes {
			if o.Drop != drops[i] || o.Replayed {
				t.Errorf("outcome %d: %+v, want %v", i, o, drops[i])
			}
		}
		again := ask(t, s, batch(8, make([]byte, 16), records...)).GetAck()
		for i, o := range again.Outcomes {
			if !o.Replayed {
				t.Errorf("outcome %d of the repeated batch: %+v", i, o)
			}
		}
	})
}

// A comet that stops says so: what was not answered is to be sent elsewhere.
func TestStoppedComet(t *testing.T) {
	withServer(t, func(t *testing.T, c *comet.Server, s cometpb.Comet_PushClient) {
		ask(t, s, hello(own))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		refuse(t, s, batch(1, make([]byte, 16), &cometpb.Record{Push: &pushpb.Push{Kind: pushpb.Kind_KIND_ALL, Op: 1000}}), codes.Unavailable)
	})
}
