package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// op of the pushes in these tests.
const op = 1000

// link is one client link and what it has received.
type link struct {
	*client.Client
	key  string
	mid  int64
	room string

	mu  sync.Mutex // guards what follows
	got streams
}

// streams are numbers of messages in the order of their arrival, for each
// sequence within which order is promised: a link's room, its direct pushes,
// and pushes to all.
type streams map[string][]int

// body of message n of a stream; record reads it.
func body(stream string, n int) []byte { return fmt.Appendf(nil, "%s %d", stream, n) }

func (l *link) record(m client.Message) {
	stream, number, _ := bytes.Cut(m.Body, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil || m.Op != op {
		stream, n = fmt.Appendf(nil, "unexpected op %d %q", m.Op, m.Body), -1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[string(stream)] = append(l.got[string(stream)], n)
}

func (l *link) received(stream string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got[stream])
}

// dialLinks opens n links: half by TCP and half by WebSocket, two a mid, and
// in rooms in turn. They are closed at the end of the test.
func dialLinks(t *testing.T, g *rig.Gateway, n, rooms int) []*link {
	t.Helper()
	links := make([]*link, n)
	var group errgroup.Group
	group.SetLimit(32)
	for i := range links {
		group.Go(func() (err error) {
			links[i], err = dialLink(t, g.Addr(i), i, rooms)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return links
}

func dialLink(t *testing.T, addr string, i, rooms int) (*link, error) {
	l := &link{key: fmt.Sprintf("key-%d", i), mid: int64(1 + i/2), room: roomName(i % rooms), got: streams{}}
	end := time.Now().Add(rig.Patience)
	for {
		var err error
		l.Client, err = client.Dial(t.Context(), client.Options{
			Addr: addr, Key: l.key, Mid: l.mid, Room: l.room, Handle: l.record, Timeout: rig.Patience,
		})
		if err == nil {
			break
		}
		// On a machine that stands still for seconds logic may be late; a client
		// comes back when it is told to.
		var told *client.DisconnectError
		if !errors.As(err, &told) || told.Retry <= 0 || time.Now().Add(told.Retry).After(end) {
			return nil, err
		}
		<-time.After(told.Retry)
	}
	t.Cleanup(func() { l.Close(); <-l.Done() })
	return l, nil
}

func roomName(i int) string { return fmt.Sprintf("live://%d", i) }

// waitReceived waits until each link has as many messages of stream as want
// says, and compares them.
func waitReceived(t *testing.T, links []*link, stream string, want func(*link) []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	for _, l := range links {
		want := want(l)
		for len(l.received(stream)) < len(want) && ctx.Err() == nil && l.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if got := l.received(stream); !slices.Equal(got, want) {
			t.Errorf("%s of %s: got %d messages %v, want %d %v; link: %v", stream, l.key, len(got), got, len(want), want, l.Err())
			if ctx.Err() != nil {
				t.FailNow() // the others are late as well: one line is enough
			}
		}
	}
}

// noneUnexpected checks that links received nothing but the streams named.
func noneUnexpected(t *testing.T, links []*link, named ...string) {
	t.Helper()
	for _, l := range links {
		l.mu.Lock()
		for stream, n := range l.got {
			if !slices.Contains(named, stream) {
				t.Errorf("%s received %s: %v", l.key, stream, n)
			}
		}
		l.mu.Unlock()
	}
}
