package directory_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fullstorydev/grpchan/inprocgrpc"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/directory"
	"github.com/oortim/oort/proto/logicpb"
)

type places struct {
	logicpb.UnimplementedLogicServer
	of    map[string]string
	short bool
	err   error
}

func (p *places) Where(_ context.Context, req *logicpb.WhereRequest) (*logicpb.WhereReply, error) {
	reply := new(logicpb.WhereReply)
	for _, key := range req.GetKeys() {
		reply.Servers = append(reply.Servers, p.of[key])
	}
	if p.short {
		reply.Servers = reply.Servers[1:]
	}
	return reply, p.err
}

func TestWhere(t *testing.T) {
	p := &places{of: map[string]string{"a": "c1@1", "b": "c2@1"}}
	ch := new(inprocgrpc.Channel)
	logicpb.RegisterLogicServer(ch, p)
	d := directory.New(ch)
	got, err := d.Where(t.Context(), []string{"b", "nobody", "a"})
	if err != nil || !slices.Equal(got, []job.ServerID{"c2@1", "", "c1@1"}) {
		t.Errorf("%q, %v", got, err)
	}
	p.short = true
	if got, err := d.Where(t.Context(), []string{"a", "b"}); err == nil {
		t.Errorf("an answer for fewer keys is taken: %q", got)
	}
	p.short, p.err = false, errors.New("away")
	if _, err := d.Where(t.Context(), []string{"a"}); err == nil {
		t.Error("an error is swallowed")
	}
}
