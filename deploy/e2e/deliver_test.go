package e2e

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

const (
	manyLinks  = 1000
	manyRooms  = 10
	manyPushes = 100 // of each kind of target
)

// Every link gets exactly what it should, in order: 1,000 links, 100 pushes to
// each kind of target, on each engine, as one process and as several.
func TestDelivery(t *testing.T) {
	for _, engine := range testedEngines() {
		t.Run("serve/"+engine, func(t *testing.T) {
			testDelivery(t, rig.StartServe(t, bin, engine))
		})
		t.Run("cluster/"+engine, func(t *testing.T) {
			testDelivery(t, rig.StartCluster(t, bin, engine, 2))
		})
	}
}

func testDelivery(t *testing.T, g *rig.Gateway) {
	links := dialLinks(t, g, manyLinks, manyRooms)
	api := &push.Client{API: g.API}
	want := planned(links)
	var pushers errgroup.Group
	for _, p := range []func(*push.Client, []*link, *plan) error{pushRooms, pushDirect, pushAll} {
		pushers.Go(func() error { return p(api, links, want) })
	}
	if err := pushers.Wait(); err != nil {
		t.Fatal(err)
	}
	waitReceived(t, links, "room", func(l *link) []int { return want.rooms[l.room] })
	waitReceived(t, links, "direct", func(l *link) []int { return want.direct[l.key] })
	waitReceived(t, links, "all", func(*link) []int { return want.all })
	noneUnexpected(t, links, "room", "direct", "all")
}

// plan is who should receive what. Each field belongs to one pusher until all
// have ended.
type plan struct {
	rooms  map[string][]int
	direct map[string][]int
	all    []int
}

func planned(links []*link) *plan {
	return &plan{rooms: map[string][]int{}, direct: make(map[string][]int, len(links))}
}

func pushRooms(api *push.Client, _ []*link, want *plan) error {
	for n := range manyPushes {
		room := roomName(rand.IntN(manyRooms))
		if err := store(api, push.Push{Room: room, Op: op, Body: body("room", n)}); err != nil {
			return err
		}
		want.rooms[room] = append(want.rooms[room], n)
	}
	return nil
}

// pushDirect pushes to keys and to mids in turn: order holds over both.
func pushDirect(api *push.Client, links []*link, want *plan) error {
	for n := range 2 * manyPushes {
		p := push.Push{Op: op, Body: body("direct", n)}
		chosen := some(links, 3)
		for _, l := range chosen {
			if n%2 == 0 {
				p.Keys = append(p.Keys, l.key)
				want.direct[l.key] = append(want.direct[l.key], n)
			} else if !slices.Contains(p.Mids, l.mid) {
				p.Mids = append(p.Mids, l.mid)
				for _, same := range ofMid(links, l.mid) {
					want.direct[same.key] = append(want.direct[same.key], n)
				}
			}
		}
		if err := store(api, p); err != nil {
			return err
		}
	}
	return nil
}

func pushAll(api *push.Client, _ []*link, want *plan) error {
	for n := range manyPushes {
		if err := store(api, push.Push{All: true, Op: op, Body: body("all", n)}); err != nil {
			return err
		}
		want.all = append(want.all, n)
	}
	return nil
}

// some are n different links.
func some(links []*link, n int) []*link {
	var chosen []*link
	for len(chosen) < n {
		if l := links[rand.IntN(len(links))]; !slices.Contains(chosen, l) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

func ofMid(links []*link, mid int64) []*link {
	i := 2 * int(mid-1)
	return links[i : i+2]
}

// store pushes p and waits for the answer no longer than a test does.
func store(api *push.Client, p push.Push) error {
	ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
	defer cancel()
	_, err := api.Push(ctx, p)
	return err
}
