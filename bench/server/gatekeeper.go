package server

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/proto/ident"
)

// gatekeeper stands for logic and lets every link in: by the same check of its
// auth frame, but without a session, since in a cluster sessions lie in other
// processes.
type gatekeeper struct{ epoch atomic.Uint64 }

var _ comet.Logic = (*gatekeeper)(nil)

func (g *gatekeeper) Sessions(ctx context.Context, connects []comet.Connect, _ []comet.Disconnect) ([]comet.Connected, error) {
	seen := make([]logic.Credentials, len(connects))
	for i, c := range connects {
		seen[i] = logic.Credentials{Body: c.Body, RemoteIP: c.RemoteIP, Origin: c.Origin}
	}
	out := make([]comet.Connected, len(connects))
	for i, v := range (auth.Open{}).Authenticate(ctx, seen) {
		out[i] = g.admit(connects[i].Link, v)
	}
	return out, nil
}

func (g *gatekeeper) admit(link uint64, v logic.Verdict) comet.Connected {
	if v.Err != nil {
		return comet.Connected{Status: comet.StatusInvalid, Message: v.Err.Error()}
	}
	c := comet.Connected{
		Mid: v.Identity.Mid, Key: v.Identity.Key, Room: v.Identity.Room, AcceptsAll: v.Identity.AcceptsAll, Epoch: g.epoch.Add(1),
	}
	if c.Key == "" {
		c.Key = ident.Key("k" + strconv.FormatUint(link, 36))
	}
	for _, op := range v.Identity.Accepts {
		c.Accepts = append(c.Accepts, uint32(op))
	}
	return c
}

// lease is as long as logic's.
const lease = 15 * time.Second

// Mend is of comet.Logic: no digests are told, so none is asked for.
func (*gatekeeper) Mend(context.Context, []int, []comet.Held) (comet.Mended, error) {
	return comet.Mended{}, nil
}

func (*gatekeeper) Renew(_ context.Context, r comet.Report) (comet.Renewal, error) {
	return comet.Renewal{Rooms: r.Rooms, Lease: lease, TrustsClients: true}, nil
}

func (*gatekeeper) Leave(context.Context) error { return nil }

func (*gatekeeper) Receive(context.Context, comet.Message) ([]byte, error) { return nil, nil }
