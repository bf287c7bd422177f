package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// Whoever pushed can ask what became of it: of one message, of a room's, and
// can call a slow push to all off. In one process, and over real gRPC to
// several comets.
func TestLedger(t *testing.T) {
	t.Run("serve", func(t *testing.T) { testLedger(t, rig.StartServe(t, bin, "epoll", "--loops", "1")) })
	t.Run("cluster", func(t *testing.T) { testLedger(t, rig.StartCluster(t, bin, "epoll", 2)) })
}

func testLedger(t *testing.T, g *rig.Gateway) {
	const n = 60
	links := dialLinks(t, g, n, 2)
	api := &push.Client{API: g.API}
	for i := range 10 {
		sent := mustPush(t, api, push.Push{Room: roomName(0), Op: op, Body: body("room", i), Lane: "gift"})
		f := fateOf(t, api, sent.ID, n/2)
		if f.Delivered != n/2 || f.SlowestMS <= 0 || f.SlowestMS > 10_000 || len(f.Silent) > 0 {
			t.Fatalf("a message to %d members: %+v", n/2, f)
		}
	}
	l, err := api.RoomLedger(t.Context(), roomName(0))
	if err != nil || l.Links != n/2 || l.Delivered["gift"]+l.Handed["gift"] != 10*n/2 || l.Since.IsZero() {
		t.Errorf("ledger %+v, %v", l, err)
	}
	two := mustPush(t, api, push.Push{Keys: []string{links[0].key, links[1].key, "nobody"}, Op: op, Body: body("direct", 0)})
	if f := fateOf(t, api, two.ID, 2); f.Delivered != 2 {
		t.Errorf("a push to two keys: %+v", f)
	}
	if _, err := api.Fate(t.Context(), "never-pushed"); !errors.Is(err, push.ErrRefused) {
		t.Errorf("a message that never was: %v", err)
	}
	slow := mustPush(t, api, push.Push{All: true, Op: op, Body: body("all", 0), Speed: 20})
	fateOf(t, api, slow.ID, 1)
	if err := api.Cancel(t.Context(), slow.ID); err != nil {
		t.Fatal(err)
	}
	if f := fateOf(t, api, slow.ID, n); f.Dropped["canceled"] == 0 || f.Delivered == 0 {
		t.Errorf("a push to all that was called off: %+v", f)
	}
}

func mustPush(t *testing.T, api *push.Client, p push.Push) push.Result {
	t.Helper()
	result, err := api.Push(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// fateOf waits until a message has ended for at least so many links.
func fateOf(t *testing.T, api *push.Client, id string, links uint64) push.Fate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		f, err := api.Fate(ctx, id)
		ended := f.Delivered
		for _, n := range f.Dropped {
			ended += n
		}
		switch {
		case err == nil && ended >= links:
			return f
		case ctx.Err() != nil:
			t.Fatalf("message %s ended for %d links, want %d: %+v, %v", id, ended, links, f, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
