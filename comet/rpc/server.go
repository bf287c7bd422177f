package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/ident"
)

// MaxBatch is the largest batch that a comet asks for, in bytes.
const MaxBatch = 1 << 20

// Server takes pushes from jobs and questions from logic. It implements cometpb.CometServer.
type Server struct {
	cometpb.UnimplementedCometServer
	comet *comet.Server
	opt   Options
}

// Options of a Server. The zero value of a field means its default.
type Options struct {
	// Tracer opens spans for pushes in sampled traces. Nil means none.
	Tracer trace.Tracer
}

// NewServer serves c.
func NewServer(c *comet.Server, opt Options) *Server { return &Server{comet: c, opt: opt} }

// Push is the stream of one job: Hello, then batches, each applied and answered
// in turn, and Syncs, which the feeder answers. Batches of a partition are
// applied one at a time also across streams, since two jobs may hold a partition
// during a rebalance.
func (s *Server) Push(stream cometpb.Comet_PushServer) error {
	if err := s.greet(stream); err != nil {
		return err
	}
	out := &answers{stream: stream}
	feed := newFeeder(s.comet, out)
	ctx, cancel := context.WithCancel(stream.Context())
	var fed sync.WaitGroup
	fed.Go(func() { feed.run(ctx) })
	// A Send that the job does not read ends with the stream's own context.
	defer fed.Wait()
	defer cancel()
	for {
		m, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := s.take(stream.Context(), out, feed, m); err != nil {
			return err
		}
	}
}

// greet makes sure that the job means this incarnation: what it holds for an
// earlier one is for links that are gone.
func (s *Server) greet(stream cometpb.Comet_PushServer) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := m.GetHello()
	if hello == nil {
		return status.Error(codes.InvalidArgument, "the first message must be Hello")
	}
	if own := string(s.comet.ID()); hello.Server != own {
		return status.Errorf(codes.FailedPrecondition, "this is %q, not %q", own, hello.Server)
	}
	return stream.Send(&cometpb.FromComet{Kind: &cometpb.FromComet_Welcome{
		Welcome: &cometpb.Welcome{Server: hello.Server, MaxBatchBytes: MaxBatch},
	}})
}

func (s *Server) take(ctx context.Context, out *answers, feed *feeder, m *cometpb.ToComet) error {
	switch k := m.Kind.(type) {
	case *cometpb.ToComet_Batch:
		ack, err := s.apply(ctx, k.Batch)
		if err != nil {
			return err
		}
		return out.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Ack{Ack: ack}})
	case *cometpb.ToComet_Sync:
		feed.sync(k.Sync.GetN())
		return nil
	}
	return status.Errorf(codes.InvalidArgument, "unexpected message %T", m.Kind)
}

func (s *Server) apply(ctx context.Context, b *cometpb.Batch) (*cometpb.Ack, error) {
	p := comet.Partition{Number: b.Partition}
	if copy(p.Topic[:], b.TopicId) != len(p.Topic) {
		return nil, status.Errorf(codes.InvalidArgument, "topic id of %d bytes", len(b.TopicId))
	}
	records := make([]comet.Record, len(b.Records))
	for i, r := range b.Records {
		records[i] = comet.Record{LeaderEpoch: r.LeaderEpoch, Offset: r.Offset, Push: r.Push}
	}
	spans := s.trace(b, records)
	outcomes, err := s.comet.Apply(ctx, p, records)
	spans.applied(outcomes, err)
	if err != nil {
		return nil, status.Error(codes.Unavailable, fmt.Sprint(err))
	}
	ack := &cometpb.Ack{Seq: b.Seq}
	for _, o := range outcomes {
		ack.Outcomes = append(ack.Outcomes, &cometpb.Outcome{
			Replayed: o.Replayed, Links: uint32(o.Links), Missing: o.Missing, Drop: drops[o.Drop],
		})
	}
	return ack, nil
}

// Message tells what became of one message here.
func (s *Server) Message(_ context.Context, req *cometpb.MessageRequest) (*cometpb.MessageReply, error) {
	ends, slowest, ok := s.comet.Fate(req.Id)
	reply := &cometpb.MessageReply{Known: ok, SlowestUs: uint64(max(0, slowest.Microseconds()))}
	for o, n := range ends {
		if n > 0 {
			reply.Ends = append(reply.Ends, &cometpb.End{Outcome: ledger.Outcome(o).String(), Links: uint64(n)})
		}
	}
	return reply, nil
}

// Room tells what became of the messages of a room here.
func (s *Server) Room(ctx context.Context, req *cometpb.RoomRequest) (*cometpb.RoomReply, error) {
	name, err := ident.ParseRoom(req.Room)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "room %.100q", req.Room)
	}
	l, err := s.comet.RoomLedger(ctx, name)
	if err != nil {
		return nil, status.Error(codes.Unavailable, fmt.Sprint(err))
	}
	reply := &cometpb.RoomReply{Known: l.Known, Links: uint32(l.Links), Pushed: counts(&l.Pushed), Handed: counts(&l.Handed)}
	if l.Known {
		reply.SinceUs = l.Since.UnixMicro()
	}
	for o := range l.Ends {
		for _, c := range counts(&l.Ends[o]) {
			reply.Ends = append(reply.Ends, &cometpb.End{Outcome: ledger.Outcome(o).String(), Lane: c.Lane, Links: c.N})
		}
	}
	return reply, nil
}

func counts(by *ledger.Counts) (list []*cometpb.Count) {
	for lane, n := range by {
		if n > 0 {
			list = append(list, &cometpb.Count{Lane: ledger.LaneName(lane), N: n})
		}
	}
	return list
}

var drops = [...]cometpb.Drop{
	comet.DropNone:    cometpb.Drop_DROP_NONE,
	comet.DropClosed:  cometpb.Drop_DROP_CLOSED,
	comet.DropExpired: cometpb.Drop_DROP_EXPIRED,
	comet.DropInvalid: cometpb.Drop_DROP_INVALID,
}
