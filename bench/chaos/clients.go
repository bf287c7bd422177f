package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/client"
)

// op of all pushes; 18 asks for gap markers.
const (
	op    = 1000
	opGap = 18
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// crowd is all clients.
type crowd struct {
	clock  func() time.Duration
	addrs  [][]string // by comet: its TCP and its WebSocket address
	rooms  int
	moving float64 // share of the clients that move, log in anew, and go
	pace   time.Duration

	joined atomic.Int64  // links there now
	seen   atomic.Uint64 // messages

	mu    sync.Mutex
	links []history.Link // guarded by mu; those that have ended
}

func roomName(i int) string { return fmt.Sprintf("live://%d", i) }
func keyName(i int) string  { return fmt.Sprintf("key-%d", i) }
func midOf(i int) int64     { return int64(1 + i/2) }

// body of push n; number reads it.
func body(n uint32) []byte { return strconv.AppendUint([]byte("chaos "), uint64(n), 10) }

func number(body []byte) uint32 {
	text, ok := bytes.CutPrefix(body, []byte("chaos "))
	n, err := strconv.ParseUint(string(text), 10, 32)
	if !ok || err != nil {
		return math.MaxUint32 // which nobody pushed
	}
	return uint32(n)
}

// run is one client's life until ctx is over: a link after the other, and in the
// end the last one is closed.
func (c *crowd) run(ctx context.Context, i int, rng *rand.Rand) {
	moves := rng.Float64() < c.moving
	room := roomName(i % c.rooms)
	comet := i % len(c.addrs)
	var link *link
	for ctx.Err() == nil {
		if link == nil {
			if link = c.dial(ctx, i, comet, room, rng); link == nil {
				comet = rng.IntN(len(c.addrs))
				sleep(ctx, 200*time.Millisecond+upTo(rng, 800*time.Millisecond))
				continue
			}
		}
		wait := never
		if moves {
			wait = c.pace/4 + upTo(rng, c.pace*3/2)
		}
		if !link.lives(ctx, wait) {
			if ctx.Err() == nil {
				c.end(link, false)
				link = nil
				comet = rng.IntN(len(c.addrs))
			}
			continue
		}
		switch rng.IntN(4) {
		case 0: // go, and come back elsewhere
			c.end(link, false)
			link, comet = nil, rng.IntN(len(c.addrs))
		case 1: // log in anew before the old link is gone, as a phone does that changes networks
			comet = rng.IntN(len(c.addrs))
			next := c.dial(ctx, i, comet, room, rng)
			if next != nil {
				c.end(link, false)
				link = next
			}
		default:
			room = roomName(rng.IntN(c.rooms))
			link.change(ctx, room)
		}
	}
	if link != nil {
		c.end(link, true)
	}
}

// link is one link and what it gets.
type link struct {
	*client.Client
	clock func() time.Duration

	mu sync.Mutex
	h  history.Link // guarded by mu while the link lives
}

func (c *crowd) dial(ctx context.Context, i, comet int, room string, rng *rand.Rand) *link {
	l := &link{clock: c.clock, h: history.Link{Key: keyName(i), Mid: midOf(i), Comet: fmt.Sprintf("comet-%d", comet+1)}}
	asked := c.clock()
	l.h.Stays = []history.Stay{{Room: room, Asked: asked, Joined: never, Leaving: never, Left: never}}
	addrs := c.addrs[comet]
	conn, err := client.Dial(ctx, client.Options{
		Addr: addrs[rng.IntN(len(addrs))], Key: l.h.Key, Mid: l.h.Mid, Room: room, Accepts: []int32{op, opGap},
		Heartbeat: 20 * time.Second, Timeout: 15 * time.Second,
		Handle: func(m client.Message) { c.seen.Add(1); l.got(m) },
	})
	if err != nil {
		return nil
	}
	l.Client = conn
	l.mu.Lock()
	l.h.Joined = c.clock()
	l.h.Stays[0].Joined = l.h.Joined
	l.mu.Unlock()
	c.joined.Add(1)
	return l
}

func (l *link) got(m client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.clock()
	if m.Gap != nil {
		l.h.Gaps = append(l.h.Gaps, history.Gap{Room: m.Gap.Room, Skipped: m.Gap.Skipped, At: at})
		return
	}
	l.h.Got = append(l.h.Got, history.Receipt{Push: number(m.Body), At: at})
}

// lives waits that long and reports whether the link is still there.
func (l *link) lives(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.Done():
	case <-ctx.Done():
	}
	return false
}

// change changes the room. One that is not answered ends the link, since nobody
// knows where it is then.
func (l *link) change(ctx context.Context, room string) {
	l.mu.Lock()
	asked := l.clock()
	n := len(l.h.Stays)
	l.h.Stays[n-1].Leaving = asked
	l.h.Stays = append(l.h.Stays, history.Stay{Room: room, Asked: asked, Joined: never, Leaving: never, Left: never})
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	err := l.ChangeRoom(ctx, room)
	l.mu.Lock()
	at := l.clock()
	if err == nil {
		l.h.Stays[n-1].Left, l.h.Stays[n].Joined = at, at
	}
	l.mu.Unlock()
	if err != nil {
		l.Close()
	}
}

// end closes a link and keeps its history. stayed: the run is over, and only if
// the link lived until now has it stayed.
func (c *crowd) end(l *link, stayed bool) {
	l.mu.Lock()
	l.h.Closed = c.clock()
	err := l.Err()
	l.h.Stayed = stayed && err == nil
	l.mu.Unlock()
	l.Close()
	<-l.Done()
	c.joined.Add(-1)
	l.h.Why = why(err)
	for i := range l.h.Stays {
		s := &l.h.Stays[i]
		last := i == len(l.h.Stays)-1
		s.Stayed = last && l.h.Stayed && s.Joined != never
		s.Leaving = min(s.Leaving, l.h.Closed)
		s.Left = min(s.Left, c.clock())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l.h)
}

func why(err error) string {
	var d *client.DisconnectError
	switch {
	case err == nil:
		return "closed by the client"
	case errors.As(err, &d):
		return d.Reason
	}
	return err.Error()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
