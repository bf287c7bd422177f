package dispatch_test

import (
	"net"
	"testing"

	"google.golang.org/grpc"

	"github.com/oortim/oort/proto/cometpb"
)

// liar is a comet that answers each batch with the same words.
type liar struct {
	cometpb.UnimplementedCometServer
	ack   *cometpb.Ack
	asked chan struct{}
}

func (l *liar) listen(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	cometpb.RegisterCometServer(srv, l)
	go srv.Serve(ln) //nolint:errcheck // ends with Stop
	t.Cleanup(srv.Stop)
	return ln.Addr().String()
}

func (l *liar) Push(stream grpc.BidiStreamingServer[cometpb.ToComet, cometpb.FromComet]) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		answer := &cometpb.FromComet{Kind: &cometpb.FromComet_Welcome{Welcome: &cometpb.Welcome{Server: "c@1"}}}
		if m.GetBatch() != nil {
			answer = &cometpb.FromComet{Kind: &cometpb.FromComet_Ack{Ack: l.ack}}
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
		if m.GetBatch() != nil {
			l.asked <- struct{}{}
		}
	}
}
