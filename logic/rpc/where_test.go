package rpc_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/proto/logicpb"
)

// TestWhere: one answer a key, in order, and a bound on the keys.
func TestWhere(t *testing.T) {
	w := newWorld(t, rpc.Options{})
	ctx := context.Background()
	reply, err := w.client.Where(ctx, &logicpb.WhereRequest{Keys: []string{"nobody", "nor this"}})
	if err != nil || !slices.Equal(reply.Servers, []string{"", ""}) {
		t.Errorf("%v, %v", reply, err)
	}
	if _, err := w.client.Where(ctx, &logicpb.WhereRequest{Keys: make([]string, 4097)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("4,097 keys: %v", err)
	}
}
