package logic_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// alive lists the comets that svc takes for alive, after a read.
func alive(t *testing.T, svc *logic.Service) (names []ident.Server) {
	t.Helper()
	comets, err := svc.Comets(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range comets {
		names = append(names, c.Server)
	}
	slices.Sort(names)
	return names
}

// watch turns the clock by d in small steps, with a read after each, while the
// living comets renew.
func (w *world) watch(svc *logic.Service, d time.Duration, living ...ident.Server) {
	w.t.Helper()
	const step = time.Hour
	for ; d > 0; d -= step {
		w.clock.add(min(d, step))
		w.renew(svc, living...)
		_, _ = svc.Comets(context.Background()) // fails while the registry is away
	}
}

// TestLease: a comet whose counter stands still is dead after the lease (3 h
// in this world), its sessions are absent and taken over freely, its rooms do
// not count; and it lives again when it renews.
func TestLease(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	other := w.open()
	w.connect(c2, "b", 1)
	if got := alive(t, other); !slices.Equal(got, []ident.Server{c1, c2}) {
		t.Fatalf("alive %v", got)
	}
	w.watch(other, 3*time.Hour, c1)
	if got := alive(t, other); !slices.Equal(got, []ident.Server{c1, c2}) {
		t.Errorf("within the lease: %v", got)
	}
	w.watch(other, time.Hour, c1)
	if got := alive(t, other); !slices.Equal(got, []ident.Server{c1}) {
		t.Errorf("after the lease: %v", got)
	}
	if r := w.push(other, "b"); r.Err != nil || r.Accepted != 0 || len(r.AbsentKeys) != 1 {
		t.Errorf("push to a dead comet's key: %+v", r)
	}
	if got := other.OnlineRooms(logic.Everywhere, []ident.Room{"live://1"})[0].Links; got != 1 {
		t.Errorf("%d links in the room, want those of c1", got)
	}
	if got := other.Online(logic.Everywhere); got.Comets != 1 || got.Links != 10 {
		t.Errorf("online %+v", got)
	}
	w.renew(w.svc, c2)
	if got := alive(t, other); !slices.Equal(got, []ident.Server{c1, c2}) {
		t.Errorf("after another renewal: %v", got)
	}
	if r := w.push(other, "b"); r.Accepted != 1 {
		t.Errorf("push after it: %+v", r)
	}
	if got := other.OnlineRooms(logic.Everywhere, []ident.Room{"live://1"})[0].Links; got != 2 {
		t.Errorf("%d links in the room, want 2", got)
	}
}

// TestLeaseNeedsReading: time in which the registry cannot be read, or in
// which the observer stood still, kills nobody.
func TestLeaseNeedsReading(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	alive(t, w.svc)
	w.store.fail(false, true)
	w.watch(w.svc, 100*time.Hour)
	if err := w.svc.Ready(context.Background()); err == nil {
		t.Error("ready without a registry")
	}
	if got := w.svc.Instances(); len(got) != 1 {
		t.Errorf("while the registry is away: %v", got)
	}
	w.store.fail(false, false)
	if got := alive(t, w.svc); len(got) != 1 {
		t.Errorf("when it is back: %v", got)
	}
	w.watch(w.svc, 3*time.Hour)
	if got := alive(t, w.svc); len(got) != 1 {
		t.Errorf("within a new lease: %v", got)
	}
	w.clock.add(100 * time.Hour) // stopped, or the machine slept
	if got := alive(t, w.svc); len(got) != 1 {
		t.Errorf("after standing still: %v", got)
	}
	w.watch(w.svc, 4*time.Hour)
	if got := alive(t, w.svc); len(got) != 0 {
		t.Errorf("after the lease: %v", got)
	}
}

// TestStranger: a comet that registered a moment ago with another logic is
// found when its first session is pushed to.
func TestStranger(t *testing.T) {
	w := newWorld(t)
	other := w.open()
	alive(t, other)
	w.renew(w.svc, c1)
	w.connect(c1, "a", 1)
	if r := w.push(other, "a"); r.Err != nil || r.Accepted != 1 {
		t.Errorf("%+v", r)
	}
	w.renew(w.svc, c2)
	w.connect(c2, "b", 1)
	w.store.fail(false, true)
	if r := w.push(other, "b"); !isUnavailable(r.Err) {
		t.Errorf("a stranger while the registry is away: %+v, want unavailable", r)
	}
	if r := w.push(other, "a"); r.Accepted != 1 {
		t.Errorf("one that is known: %+v", r)
	}
}

// TestRegisterWhileRead: a comet that registers while a list without it is on
// its way is not taken for one that left.
func TestRegisterWhileRead(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	alive(t, w.svc)
	w.store.mu.Lock()
	w.store.onList = func() {
		w.renew(w.svc, c2)
		w.connect(c2, "b", 1)
	}
	w.store.mu.Unlock()
	alive(t, w.svc)
	w.store.fail(false, true) // what it knows now must do
	if r := w.push(w.svc, "b"); r.Err != nil || r.Accepted != 1 {
		t.Errorf("%+v", r)
	}
}

// TestGhost: a session whose comet is nowhere is absent, and costs a read of
// the registry only once.
func TestGhost(t *testing.T) {
	w := newWorld(t)
	alive(t, w.svc)
	w.connect(c1, "a", 1) // c1 never registered
	if r := w.push(w.svc, "a"); r.Err != nil || len(r.AbsentKeys) != 1 {
		t.Errorf("%+v", r)
	}
	w.store.fail(false, true)
	if r := w.push(w.svc, "a"); r.Err != nil || len(r.AbsentKeys) != 1 {
		t.Errorf("again: %+v", r)
	}
	w.store.fail(false, false)
	w.renew(w.svc, c1)
	if r := w.push(w.svc, "a"); r.Accepted != 1 {
		t.Errorf("when it registers after all: %+v", r)
	}
}

func TestRenewTotals(t *testing.T) {
	w := newWorld(t)
	other := w.open()
	w.renewRooms(w.svc, c1, map[string]int32{"live://1": 3, "live://2": 1})
	alive(t, other)
	got := w.renewRooms(other, c2, map[string]int32{"live://1": 4, "live://3": 5, "live://4": 0})
	if want := map[string]int32{"live://1": 7, "live://3": 5, "live://4": 0}; !maps.Equal(got, want) {
		t.Errorf("totals %v, want %v", got, want)
	}
	if got := other.OnlineTop(logic.Everywhere, "live", 2); !slices.Equal(got, []logic.RoomCount{{Room: "live://1", Links: 7}, {Room: "live://3", Links: 5}}) {
		t.Errorf("top %v", got)
	}
	w.renewRooms(other, c2, map[string]int32{"live://2": 9})
	if got := other.OnlineTop(logic.Everywhere, "", 9); !slices.Equal(got, []logic.RoomCount{{Room: "live://2", Links: 10}, {Room: "live://1", Links: 3}}) {
		t.Errorf("top after a change %v", got)
	}
	if err := other.Leave(context.Background(), c2); err != nil {
		t.Fatal(err)
	}
	if got := other.OnlineTop(logic.Everywhere, "none", 9); len(got) != 0 {
		t.Errorf("top of no such type %v", got)
	}
	if got := other.Online(logic.Everywhere); got != (logic.Online{Links: 10, Rooms: 2, Comets: 1}) {
		t.Errorf("online %+v", got)
	}
	w.store.fail(false, true)
	if _, _, err := other.Renew(context.Background(), logic.Comet{Server: c2, Counter: 99}, nil); !isUnavailable(err) {
		t.Errorf("renew without a registry: %v", err)
	}
}
