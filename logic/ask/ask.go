// Package ask asks comets by gRPC what became of messages. It implements
// logic.Asker.
package ask

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/ident"
)

// Comets asks comets. It keeps a channel to each that was asked, and closes it
// when it has not been asked for a while.
type Comets struct {
	dial Dial // immutable

	mu    sync.Mutex
	ways  map[ident.Server]*way // guarded by mu
	ended bool                  // guarded by mu
}

// Dial opens a channel to a comet. It should not wait for the connection.
type Dial func(server, addr string) (grpc.ClientConnInterface, io.Closer, error)

// way is a channel to one comet.
type way struct {
	addr   string
	client cometpb.CometClient
	closer io.Closer
	users  int       // calls under way
	used   time.Time // when the last call began
	listed bool      // in Comets.ways; if not, the last user closes it
}

// idle is how long a channel is kept that nobody uses.
const idle = time.Minute

// New returns a Comets that reaches them by dial.
func New(dial Dial) *Comets { return &Comets{dial: dial, ways: map[ident.Server]*way{}} }

// Message implements logic.Asker.
func (c *Comets) Message(ctx context.Context, at logic.Comet, id string) (f logic.Fate, known bool, err error) {
	w, err := c.take(at)
	if err != nil {
		return f, false, err
	}
	defer c.give(w)
	reply, err := w.client.Message(ctx, &cometpb.MessageRequest{Id: id})
	if err != nil {
		return f, false, fmt.Errorf("ask: %q: %w", at.Server, err)
	}
	f = logic.Fate{Links: map[string]uint64{}, Slowest: time.Duration(reply.SlowestUs) * time.Microsecond}
	for _, e := range reply.Ends {
		f.Links[e.Outcome] += e.Links
	}
	return f, reply.Known, nil
}

// Room implements logic.Asker.
func (c *Comets) Room(ctx context.Context, at logic.Comet, room ident.Room) (l logic.RoomLedger, known bool, err error) {
	w, err := c.take(at)
	if err != nil {
		return l, false, err
	}
	defer c.give(w)
	reply, err := w.client.Room(ctx, &cometpb.RoomRequest{Room: string(room)})
	if err != nil {
		return l, false, fmt.Errorf("ask: %q: %w", at.Server, err)
	}
	l = logic.RoomLedger{
		Since: time.UnixMicro(reply.SinceUs), Links: int(reply.Links),
		Pushed: counts(reply.Pushed), Handed: counts(reply.Handed), Ends: logic.Ends{},
	}
	for _, e := range reply.Ends {
		if l.Ends[e.Outcome] == nil {
			l.Ends[e.Outcome] = map[string]uint64{}
		}
		l.Ends[e.Outcome][e.Lane] += e.Links
	}
	return l, reply.Known, nil
}

func counts(list []*cometpb.Count) map[string]uint64 {
	by := make(map[string]uint64, len(list))
	for _, one := range list {
		by[one.Lane] += one.N
	}
	return by
}

// take returns the way to a comet, for one call.
func (c *Comets) take(at logic.Comet) (*way, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.tidyLocked(now)
	w := c.ways[at.Server]
	if w == nil || w.addr != at.GRPCAddr {
		if c.ended {
			return nil, fmt.Errorf("ask: %q: %w", at.Server, logic.ErrUnavailable)
		}
		cc, closer, err := c.dial(string(at.Server), at.GRPCAddr)
		if err != nil {
			return nil, fmt.Errorf("ask: dial %q at %q: %w", at.Server, at.GRPCAddr, err)
		}
		if w != nil {
			c.dropLocked(w)
		}
		w = &way{addr: at.GRPCAddr, client: cometpb.NewCometClient(cc), closer: closer, listed: true}
		c.ways[at.Server] = w
	}
	w.users++
	w.used = now
	return w, nil
}

func (c *Comets) give(w *way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.users--; w.users == 0 && !w.listed {
		w.closer.Close()
	}
}

// tidyLocked closes what was not used for a while.
func (c *Comets) tidyLocked(now time.Time) {
	for server, w := range c.ways {
		if w.users == 0 && now.Sub(w.used) > idle {
			delete(c.ways, server)
			c.dropLocked(w)
		}
	}
}

// dropLocked closes a way that is no longer listed, when its last call has
// ended.
func (c *Comets) dropLocked(w *way) {
	w.listed = false
	if w.users == 0 {
		w.closer.Close()
	}
}

// Close closes all channels, each when its last call has ended.
func (c *Comets) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, w := range c.ways {
		c.dropLocked(w)
	}
	clear(c.ways)
}
