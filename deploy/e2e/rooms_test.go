package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// A message to a room goes to the comet that has the room, and to no other. Who
// joins on the other comet gets what is pushed from the moment that the join was
// answered, though that comet did not have the room before.
func TestRoomsByComet(t *testing.T) {
	t.Parallel()
	const pushes = 50
	const joins = 15 // as many as a link may without a pause
	g := rig.StartCluster(t, bin, "epoll", 2)
	var here, there *link
	for i, l := range []**link{&here, &there} {
		var err error
		if *l, err = dialLink(t, g.TCP[i], i, 2); err != nil {
			t.Fatal(err)
		}
	}
	api := &push.Client{API: g.API}
	number := 0
	send := func(room string) {
		t.Helper()
		if err := store(api, push.Push{Room: room, Op: op, Body: body("room", number)}); err != nil {
			t.Fatal(err)
		}
		number++
	}
	// At first the comets may not have told their rooms.
	rig.WaitFor(t, "the other comet is spared", func() error {
		before := applied(t, g.Comets[1])
		send(here.room)
		waitReceived(t, []*link{here}, "room", func(*link) []int { return upTo(number) })
		if n := applied(t, g.Comets[1]); n > before {
			return fmt.Errorf("it got %v records", n)
		}
		return nil
	})
	before := [2]float64{applied(t, g.Comets[0]), applied(t, g.Comets[1])}
	for range pushes {
		send(here.room)
	}
	waitReceived(t, []*link{here}, "room", func(*link) []int { return upTo(number) })
	for i, want := range []float64{pushes, 0} {
		if got := applied(t, g.Comets[i]) - before[i]; got != want {
			t.Errorf("comet %d applied %v of %d records, want %v", i+1, got, pushes, want)
		}
	}
	var want []int
	for i := range joins {
		room := fmt.Sprintf("fresh://%d", i)
		if err := there.ChangeRoom(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		want = append(want, number)
		send(room)
		rig.WaitFor(t, "what was pushed after the join", func() error {
			if got := there.received("room"); !slices.Equal(got, want) {
				return fmt.Errorf("received %v, want %v", got, want)
			}
			return nil
		})
	}
	if got := applied(t, g.Comets[0]) - before[0]; got != pushes {
		t.Errorf("the first comet applied %v records of rooms that it does not have", got-pushes)
	}
	noneUnexpected(t, []*link{here, there}, "room")
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// applied is how many records a comet has applied.
func applied(t *testing.T, comet *rig.Oort) float64 {
	t.Helper()
	_, page, err := comet.Admin("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(line, `oort_comet_pushes_total{outcome="applied"} `); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no count of records")
	return 0
}
