package logic_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// answers is an Asker: what each comet answers; one that is missing is silent.
type answers struct {
	fates   map[ident.Server]logic.Fate
	ledgers map[ident.Server]logic.RoomLedger
	deaf    map[ident.Server]bool
}

func (a *answers) Message(_ context.Context, c logic.Comet, _ string) (logic.Fate, bool, error) {
	if a.deaf[c.Server] {
		return logic.Fate{}, false, errBroken
	}
	f, ok := a.fates[c.Server]
	return f, ok, nil
}

func (a *answers) Room(_ context.Context, c logic.Comet, _ ident.Room) (logic.RoomLedger, bool, error) {
	if a.deaf[c.Server] {
		return logic.RoomLedger{}, false, errBroken
	}
	l, ok := a.ledgers[c.Server]
	return l, ok, nil
}

func withAnswers(a *answers) func(*logic.Config) {
	return func(c *logic.Config) { c.Asker = a }
}

// The comets' answers are added up, and who did not answer is named.
func TestMessageIsAddedUp(t *testing.T) {
	a := &answers{
		fates: map[ident.Server]logic.Fate{
			c1: {Links: map[string]uint64{"delivered": 5, "slow": 1}, Slowest: time.Second},
			c2: {Links: map[string]uint64{"delivered": 2, "closed": 3}, Slowest: 2 * time.Second},
		},
		deaf: map[ident.Server]bool{},
	}
	w := newWorld(t, withAnswers(a))
	w.renew(w.svc, c1, c2, c3)
	f, asked, err := w.svc.Message(context.Background(), "m")
	want := map[string]uint64{"delivered": 7, "slow": 1, "closed": 3}
	if err != nil || !maps.Equal(f.Links, want) || f.Slowest != 2*time.Second || asked.Comets != 3 || len(asked.Silent) != 0 {
		t.Errorf("%+v, %+v, %v", f, asked, err)
	}
	a.deaf[c2] = true
	f, asked, err = w.svc.Message(context.Background(), "m")
	if err != nil || f.Links["delivered"] != 5 || asked.Comets != 2 || !slices.Equal(asked.Silent, []ident.Server{c2}) {
		t.Errorf("with one silent: %+v, %+v, %v", f, asked, err)
	}
	delete(a.fates, c1)
	if _, _, err = w.svc.Message(context.Background(), "m"); !errors.Is(err, logic.ErrUnavailable) {
		t.Errorf("none knows and one is silent: %v", err)
	}
	a.deaf[c2] = false
	delete(a.fates, c2)
	if _, _, err = w.svc.Message(context.Background(), "m"); !errors.Is(err, logic.ErrUnknownMessage) {
		t.Errorf("none knows: %v", err)
	}
	if _, _, err = w.svc.Message(context.Background(), "a b"); !errors.Is(err, logic.ErrPushID) {
		t.Errorf("no id: %v", err)
	}
}

func TestRoomLedgerIsAddedUp(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	a := &answers{ledgers: map[ident.Server]logic.RoomLedger{
		c1: {Since: late, Links: 3, Pushed: map[string]uint64{"chat": 4}, Ends: logic.Ends{"delivered": {"chat": 12}}},
		c2: {
			Since: early, Links: 2, Pushed: map[string]uint64{"chat": 5, "gift": 1}, Handed: map[string]uint64{"gift": 2},
			Ends: logic.Ends{"delivered": {"chat": 9}, "shed": {"chat": 1}},
		},
	}}
	w := newWorld(t, withAnswers(a))
	w.renew(w.svc, c1, c2, c3)
	l, asked, err := w.svc.RoomLedger(context.Background(), "live://1")
	if err != nil || asked.Comets != 3 || !l.Since.Equal(late) || l.Links != 5 || l.Pushed["chat"] != 5 || l.Pushed["gift"] != 1 ||
		l.Handed["gift"] != 2 || l.Ends["delivered"]["chat"] != 21 || l.Ends["shed"]["chat"] != 1 {
		t.Errorf("%+v, %+v, %v", l, asked, err)
	}
	clear(a.ledgers)
	if l, _, err := w.svc.RoomLedger(context.Background(), "live://1"); err != nil || l.Links != 0 {
		t.Errorf("a room without members: %+v, %v", l, err)
	}
	a.deaf = map[ident.Server]bool{c3: true}
	if _, _, err := w.svc.RoomLedger(context.Background(), "live://1"); !errors.Is(err, logic.ErrUnavailable) {
		t.Errorf("none knows and one is silent: %v", err)
	}
}

func TestNoWayToAsk(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	if _, _, err := w.svc.Message(context.Background(), "m"); !errors.Is(err, logic.ErrUnavailable) {
		t.Error(err)
	}
}

// A push to all is called off by a record, and not without it.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	if err := w.svc.Cancel(context.Background(), "mine"); err != nil {
		t.Fatal(err)
	}
	got := w.pub.Take()
	if len(got) != 1 || got[0].Kind != pushpb.Kind_KIND_CANCEL || got[0].Cancel != "mine" || got[0].Id == "" || got[0].Id == "mine" {
		t.Errorf("stored %v", got)
	}
	if err := w.svc.Cancel(context.Background(), ""); !errors.Is(err, logic.ErrPushID) {
		t.Error(err)
	}
}
