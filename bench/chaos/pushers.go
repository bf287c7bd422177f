package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oortim/oort/bench/chaos/history"
	"github.com/oortim/oort/client/push"
)

const (
	// answerIn is the longest that an answer may take: logic's own five seconds,
	// and as much again for machines that are busy.
	answerIn = 10 * time.Second
	// patience with one request; then the outcome is unknown.
	patience = 20 * time.Second
	// tries of one push.
	tries = 3
)

// pushers push, each one message after the other.
type pushers struct {
	clock func() time.Duration
	apis  []*push.Client
	names []string // of the logics
	run   string   // makes ids of this run unique
	links int
	rooms int

	made atomic.Uint64 // pushes answered

	mu   sync.Mutex
	list []history.Push // guarded by mu; by id
}

func newPushers(clock func() time.Duration, seed uint64, links, rooms int) *pushers {
	return &pushers{clock: clock, run: strconv.FormatUint(seed, 36), links: links, rooms: rooms}
}

func (p *pushers) addLogic(name, url string) {
	p.names = append(p.names, name)
	p.apis = append(p.apis, &push.Client{API: url, HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}})
}

// close ends the connections that are kept.
func (p *pushers) close() {
	for _, api := range p.apis {
		api.HTTP.CloseIdleConnections()
	}
}

// behind is the most that a pusher catches up with when an answer took long.
const behind = 30 * time.Second

// push pushes at rate (a second) until ctx is over. A push that was begun is
// brought to its end; what an outage kept it from is made up for afterwards, at
// no more than twice the rate.
func (p *pushers) push(ctx context.Context, pusher int, rate float64, rng *rand.Rand) {
	every := time.Duration(float64(time.Second) / rate)
	due := time.Now().Add(-upTo(rng, every))
	for {
		now := time.Now()
		if due = due.Add(every); now.Sub(due) > behind {
			due = now.Add(-behind)
		}
		if sleep(ctx, max(due.Sub(now), every/2)); ctx.Err() != nil {
			return
		}
		h := p.draw(pusher, rng)
		p.bring(&h, rng)
		p.mu.Lock()
		p.list[h.ID] = h
		p.mu.Unlock()
		p.made.Add(1)
	}
}

// draw makes up a push and gives it the next id.
func (p *pushers) draw(pusher int, rng *rand.Rand) history.Push {
	h := history.Push{Pusher: pusher}
	switch n := rng.IntN(1000); {
	case n < 5:
		h.Kind = history.All
	case n < 150:
		h.Kind = history.Mids
		for range 1 + rng.IntN(2) {
			h.Mids = append(h.Mids, midOf(rng.IntN(p.links)))
		}
	case n < 400:
		h.Kind = history.Keys
		for range 1 + rng.IntN(3) {
			h.Keys = append(h.Keys, keyName(rng.IntN(p.links)))
		}
	default:
		h.Room = roomName(rng.IntN(p.rooms))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h.ID = uint32(len(p.list))
	h.Begun = p.clock()
	// Until it is answered it is what a pusher that dies knows of it.
	h.Answer, h.Ended = history.Unknown, never
	p.list = append(p.list, h)
	return h
}

// bring tries a push until it is stored, or no more tries are of use. One with
// an id of its own is tried again when nobody knows, and now and then though it
// is stored, as by a pusher that has not heard the answer; one without only when
// it is surely not stored.
func (p *pushers) bring(h *history.Push, rng *rand.Rand) {
	w := push.Push{Op: op, Body: body(h.ID), Keys: h.Keys, Mids: h.Mids, Room: h.Room, All: h.Kind == history.All}
	own := rng.IntN(2) == 0
	if own {
		w.ID = fmt.Sprintf("chaos-%s-%d", p.run, h.ID)
	}
	h.Answer = history.NotStored
	logic := rng.IntN(len(p.apis))
	for range tries {
		answer := p.try(h, w, logic)
		switch {
		case answer == history.Stored || h.Answer == history.Stored:
			h.Answer = history.Stored
		case answer == history.Unknown:
			h.Answer = history.Unknown
		}
		again := answer == history.NotStored || own && (answer == history.Unknown || rng.IntN(20) == 0)
		if !again {
			break
		}
		if answer == history.NotStored {
			time.Sleep(20*time.Millisecond + upTo(rng, 80*time.Millisecond)) // it said later
		}
		logic = rng.IntN(len(p.apis))
	}
	h.Ended = p.clock()
}

func (p *pushers) try(h *history.Push, w push.Push, logic int) history.Answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t := history.Try{Logic: p.names[logic], Begun: p.clock()}
	result, err := p.apis[logic].Push(ctx, w)
	t.Ended = p.clock()
	t.Said = said(err)
	h.Tries = append(h.Tries, t)
	switch {
	case err == nil:
		// Absent is who no try found.
		if h.Answer != history.Stored {
			h.Absent, h.AbsentMids = result.Absent, result.AbsentMids
			h.Message, h.Accepted = result.ID, result.Accepted
		}
		return history.Stored
	case errors.Is(err, push.ErrUnknown):
		return history.Unknown
	}
	return history.NotStored
}

func said(err error) string {
	var e *push.Error
	switch {
	case err == nil:
		return "200"
	case errors.As(err, &e) && e.Status != 0:
		return strconv.Itoa(e.Status) + " " + e.Reason
	}
	return err.Error()
}
