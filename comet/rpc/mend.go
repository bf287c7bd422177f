package rpc

import (
	"context"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/logicpb"
	"github.com/oortim/oort/proto/roster"
)

// Mend is of comet.Logic.
func (l *Logic) Mend(ctx context.Context, buckets []int, held []comet.Held) (comet.Mended, error) {
	req := &logicpb.MendRequest{
		Server: string(l.advert.Server), Buckets: make([]uint32, len(buckets)), Held: make([]*logicpb.Held, len(held)),
	}
	for i, b := range buckets {
		req.Buckets[i] = uint32(b)
	}
	for i, h := range held {
		req.Held[i] = &logicpb.Held{Link: h.Link, Key: string(h.Key), Mid: h.Mid, Epoch: h.Epoch, Platform: h.Platform}
	}
	reply, err := l.client.Mend(ctx, req)
	if err != nil {
		return comet.Mended{}, err
	}
	return comet.Mended{Lost: heldOf(reply.Lost), Strangers: heldOf(reply.Strangers), Missing: int(reply.Missing)}, nil
}

func heldOf(in []*logicpb.Held) []comet.Held {
	list := make([]comet.Held, len(in))
	for i, h := range in {
		list[i] = comet.Held{Link: h.Link, Key: ident.Key(h.Key), Mid: h.Mid, Epoch: h.Epoch}
	}
	return list
}

// digests are those of a renewal; nil unless there is one a bucket.
func digests(list []uint64) *roster.Digests {
	d := new(roster.Digests)
	if copy(d[:], list) != roster.Buckets {
		return nil
	}
	return d
}
