package push

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/client"
)

// audience is the links that receive, spread evenly over rooms.
type audience struct {
	run     uint32
	start   time.Time // what stamps count from
	rooms   []*room
	members []*member
	tcp, ws *measure.Latency

	delivered atomic.Int64
	bytes     atomic.Int64 // bodies and headers of what was delivered
	wrong     atomic.Int64 // delivered twice, out of order or to the wrong room
	last      atomic.Int64 // time of the last delivery, ns since start
	missing   atomic.Int64 // deliveries that a lone message still waits for
	complete  chan struct{}
}

type room struct {
	name    string
	number  uint32
	members int
	next    uint32 // index of the next message; owned by its pusher
}

// member is one link.
type member struct {
	audience *audience
	room     *room
	latency  *measure.Latency // of its transport; set before the link is
	link     *client.Client

	newest int64 // index of the newest message, -1: none; owned by the reader
}

// dialers is how many links are opened at a time: less than a listen backlog.
const dialers = 64

// newAudience has members without links.
func newAudience(links, rooms int) *audience {
	a := &audience{
		run: rand.Uint32(), start: time.Now(), complete: make(chan struct{}, 1),
		tcp: measure.NewLatency(), ws: measure.NewLatency(),
	}
	for i := range rooms {
		a.rooms = append(a.rooms, &room{name: fmt.Sprintf("bench://%08x-%d", a.run, i), number: uint32(i)})
	}
	for i := range links {
		room := a.rooms[i%rooms]
		room.members++
		a.members = append(a.members, &member{audience: a, room: room, newest: -1})
	}
	return a
}

// join opens links, taking turns over addrs and rooms.
func join(ctx context.Context, addrs []string, links, rooms int) (*audience, error) {
	a := newAudience(links, rooms)
	errs := make(chan error, dialers)
	var next atomic.Int64
	for range dialers {
		go func() { errs <- a.dial(ctx, addrs, &next) }()
	}
	var err error
	for range dialers {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		a.leave()
		return nil, err
	}
	return a, nil
}

// dial opens links until there are all, or one fails.
func (a *audience) dial(ctx context.Context, addrs []string, next *atomic.Int64) error {
	for {
		i := int(next.Add(1)) - 1
		if i >= len(a.members) {
			return nil
		}
		m := a.members[i]
		// Within a room links take turns over the addresses, and rooms of one
		// member do among themselves.
		addr := addrs[(i%len(a.rooms)+i/len(a.rooms))%len(addrs)]
		m.latency = a.tcp
		if !strings.HasPrefix(addr, "tcp") {
			m.latency = a.ws
		}
		var err error
		m.link, err = client.Dial(ctx, client.Options{
			Addr: addr, Mid: int64(i + 1), Room: m.room.name, Platform: "bench", Handle: m.receive,
		})
		if err != nil {
			next.Add(int64(len(a.members))) // the others need not go on
			return fmt.Errorf("bench: link %d: %w", i, err)
		}
	}
}

// receive takes the time first: what follows is not the server's.
func (m *member) receive(msg client.Message) {
	a := m.audience
	now := time.Since(a.start)
	s, ok := parseStamp(msg.Body)
	if !ok || s.run != a.run {
		return // somebody else's, on a server that others use
	}
	if s.room != m.room.number || int64(s.index) <= m.newest {
		a.wrong.Add(1)
		return
	}
	m.newest = int64(s.index)
	m.latency.Record(now - s.sent)
	a.bytes.Add(int64(len(msg.Body)) + 16)
	a.last.Store(int64(now))
	a.delivered.Add(1)
	if a.missing.Add(-1) == 0 {
		a.complete <- struct{}{}
	}
}

// reset forgets what was measured while warming up. Nothing is on its way.
func (a *audience) reset() {
	a.tcp.Reset()
	a.ws.Reset()
	a.delivered.Store(0)
	a.bytes.Store(0)
}

// ended lists links that are no more, which in a run is a fault.
func (a *audience) ended() (reasons []error) {
	for i, m := range a.members {
		if err := m.link.Err(); err != nil {
			reasons = append(reasons, fmt.Errorf("link %d: %w", i, err))
		}
	}
	return reasons
}

func (a *audience) leave() {
	var wg sync.WaitGroup
	for _, m := range a.members {
		if m.link != nil {
			m.link.Close()
			wg.Go(func() { <-m.link.Done() })
		}
	}
	wg.Wait()
}
