package rpc

import (
	"context"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
)

// Mend implements logicpb.LogicServer.
func (s *Server) Mend(ctx context.Context, req *logicpb.MendRequest) (*logicpb.MendReply, error) {
	server, err := parseServer(req.Server)
	if err != nil {
		return nil, err
	}
	buckets := make([]int, len(req.Buckets))
	for i, b := range req.Buckets {
		buckets[i] = int(b)
	}
	sessions := make([]logic.Session, len(req.Held))
	for i, h := range req.Held {
		sessions[i] = logic.Session{Key: ident.Key(h.Key), Mid: h.Mid, Link: h.Link, Epoch: h.Epoch, Platform: h.Platform}
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	mended, err := s.svc.Mend(ctx, server, buckets, sessions)
	if err != nil {
		return nil, grpcError(err)
	}
	return &logicpb.MendReply{Lost: held(mended.Lost), Strangers: held(mended.Strangers), Missing: uint32(mended.Missing)}, nil
}

func held(sessions []logic.Session) []*logicpb.Held {
	list := make([]*logicpb.Held, len(sessions))
	for i, s := range sessions {
		list[i] = &logicpb.Held{Link: s.Link, Key: string(s.Key), Mid: s.Mid, Epoch: s.Epoch}
	}
	return list
}
