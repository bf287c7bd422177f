package dispatch_test

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/proto/cometpb"
)

// talker is a comet that says what a test lets it say.
type talker struct {
	cometpb.UnimplementedCometServer
	t       testing.TB
	stop    func()
	streams chan *talk
}

// talk is one stream to a talker.
type talk struct {
	t      testing.TB
	stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]
	got    chan *cometpb.ToComet
	cut    chan struct{}
}

func newTalker(t testing.TB) (*talker, string) {
	t.Helper()
	c := &talker{t: t, streams: make(chan *talk, 10)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	cometpb.RegisterCometServer(srv, c)
	go srv.Serve(ln) //nolint:errcheck // ends with Stop
	c.stop = srv.Stop
	t.Cleanup(c.stop)
	return c, ln.Addr().String()
}

// Push implements cometpb.CometServer.
func (c *talker) Push(stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	k := &talk{t: c.t, stream: stream, got: make(chan *cometpb.ToComet, 1000), cut: make(chan struct{})}
	k.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Welcome{Welcome: &cometpb.Welcome{Server: m.GetHello().GetServer()}}})
	c.streams <- k
	ended := make(chan error, 1)
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			k.got <- m
		}
	}()
	select {
	case <-k.cut:
		return status.Error(codes.Unavailable, "cut")
	case err := <-ended:
		return err
	}
}

// talk waits for the next stream.
func (c *talker) talk() *talk {
	c.t.Helper()
	select {
	case k := <-c.streams:
		return k
	case <-time.After(patience):
		c.t.Fatal("no stream")
		return nil
	}
}

// next waits for the next message.
func (k *talk) next() *cometpb.ToComet {
	k.t.Helper()
	select {
	case m := <-k.got:
		return m
	case <-time.After(patience):
		k.t.Fatal("nothing came")
		return nil
	}
}

// sync waits for a Sync, which must be the next message.
func (k *talk) sync() uint64 {
	k.t.Helper()
	m := k.next()
	if m.GetSync() == nil {
		k.t.Fatalf("got %v, want a Sync", m)
	}
	return m.GetSync().GetN()
}

// batch waits for a batch, which must be the next message, answers it and
// returns its ids.
func (k *talk) batch() string {
	k.t.Helper()
	m := k.next()
	if m.GetBatch() == nil {
		k.t.Fatalf("got %v, want a batch", m)
	}
	return k.answer(m)
}

func (k *talk) answer(m *cometpb.ToComet) string {
	var ids []string
	ack := &cometpb.Ack{Seq: m.GetBatch().GetSeq()}
	for _, r := range m.GetBatch().GetRecords() {
		ids = append(ids, r.GetPush().GetId())
		ack.Outcomes = append(ack.Outcomes, &cometpb.Outcome{})
	}
	k.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Ack{Ack: ack}})
	return fmt.Sprint(ids)
}

// nothing fails if a message is there.
func (k *talk) nothing() {
	k.t.Helper()
	select {
	case m := <-k.got:
		k.t.Fatalf("got %v, want nothing", m)
	default:
	}
}

func (k *talk) send(m *cometpb.FromComet) {
	k.t.Helper()
	if err := k.stream.Send(m); err != nil {
		k.t.Error(err)
	}
}

func (k *talk) echo(n uint64) {
	k.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Sync{Sync: &cometpb.Sync{N: n}}})
}

func (k *talk) rooms(r *cometpb.Rooms) {
	k.send(&cometpb.FromComet{Kind: &cometpb.FromComet_Rooms{Rooms: r}})
}

// knows tells a snapshot of rooms, in two parts, and echoes the Sync that a new
// stream begins with.
func (k *talk) knows(names ...string) {
	k.t.Helper()
	half := len(names) / 2
	n := k.sync()
	k.rooms(&cometpb.Rooms{Snapshot: true, Added: slices.Clone(names[:half])})
	k.rooms(&cometpb.Rooms{Added: slices.Clone(names[half:])})
	k.echo(n)
}
