package directory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/fullstorydev/grpchan/inprocgrpc"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/directory"
	"github.com/oortim/oort/proto/logicpb"
)

type logic struct {
	logicpb.UnimplementedLogicServer
	reply *logicpb.CometsReply
	err   error
}

func (l *logic) Comets(context.Context, *logicpb.CometsRequest) (*logicpb.CometsReply, error) {
	return l.reply, l.err
}

func TestComets(t *testing.T) {
	l := &logic{reply: &logicpb.CometsReply{Comets: []*logicpb.CometInfo{
		{Server: "a@1", GrpcAddr: "127.0.0.1:1"},
		{Server: "b@1", GrpcAddr: "127.0.0.1:2", Draining: true},
	}}}
	ch := new(inprocgrpc.Channel)
	logicpb.RegisterLogicServer(ch, l)
	d := directory.New(ch)
	got, err := d.Comets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []job.Comet{{Server: "a@1", Addr: "127.0.0.1:1"}, {Server: "b@1", Addr: "127.0.0.1:2"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v: a draining comet still has links", got, want)
	}
	l.reply.Comets[0].Server = ""
	if _, err := d.Comets(t.Context()); err == nil {
		t.Error("a comet without a name is taken")
	}
	l.err = errors.New("away")
	if _, err := d.Comets(t.Context()); err == nil {
		t.Error("an error is swallowed")
	}
}
