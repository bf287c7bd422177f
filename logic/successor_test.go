package logic_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// c1Again is c1 after a restart.
const c1Again = ident.Server("c1@2")

// TestRestartBuries: a comet that was killed and is back under its name is not
// offered as what it was before, by no logic and not for a moment: its sessions
// are absent, its rooms do not count.
func TestRestartBuries(t *testing.T) {
	w := newWorld(t)
	other := w.open()
	w.renew(w.svc, c1, c2)
	w.connect(c1, "a", 1)
	alive(t, other)
	w.renew(w.svc, c1Again)
	for i, svc := range []*logic.Service{w.svc, other, w.open()} {
		if got := alive(t, svc); !slices.Equal(got, []ident.Server{c1Again, c2}) {
			t.Errorf("logic %d: alive %v", i, got)
		}
		if r := w.push(svc, "a"); r.Err != nil || len(r.AbsentKeys) != 1 {
			t.Errorf("logic %d: push to a key of the former run: %+v", i, r)
		}
		if got := svc.OnlineRooms(logic.Everywhere, []ident.Room{"live://1"})[0].Links; got != 2 {
			t.Errorf("logic %d: %d links in the room, want those of two comets", i, got)
		}
	}
}

// TestLastRenewalComesToLight: what the former run renewed just before it died,
// and is read only after its successor, does not raise it.
func TestLastRenewalComesToLight(t *testing.T) {
	w := newWorld(t)
	other := w.open()
	w.renew(w.svc, c1)
	alive(t, other)
	w.renew(w.svc, c1)      // with another logic,
	w.renew(other, c1Again) // and the successor is heard of first
	for range 3 {
		if got := alive(t, other); !slices.Equal(got, []ident.Server{c1Again}) {
			t.Fatalf("alive %v", got)
		}
	}
	w.watch(other, 2*time.Hour, c1Again)
	if got := alive(t, other); !slices.Equal(got, []ident.Server{c1Again}) {
		t.Errorf("later: alive %v", got)
	}
}

// TestTwoOfAName: two comets that share a name by mistake both live, after two
// renewals of the elder, and die for themselves.
func TestTwoOfAName(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c1Again)
	w.renew(w.svc, c1)
	if got := alive(t, w.svc); !slices.Equal(got, []ident.Server{c1Again}) {
		t.Fatalf("after one renewal of the elder: %v", got)
	}
	w.renew(w.svc, c1)
	if got := alive(t, w.svc); !slices.Equal(got, []ident.Server{c1, c1Again}) {
		t.Fatalf("after two: %v", got)
	}
	if got := w.svc.OnlineRooms(logic.Everywhere, []ident.Room{"live://1"})[0].Links; got != 2 {
		t.Errorf("%d links in the room, want 2", got)
	}
	w.watch(w.svc, 4*time.Hour, c1)
	if got := alive(t, w.svc); !slices.Equal(got, []ident.Server{c1}) {
		t.Errorf("when the younger has gone: %v", got)
	}
	if err := w.svc.Leave(context.Background(), c1); err != nil {
		t.Fatal(err)
	}
	if got := alive(t, w.svc); len(got) != 0 {
		t.Errorf("at last: %v", got)
	}
}

// TestWhere: keys are where their session is, if the comet lives.
func TestWhere(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	w.connect(c1, "a", 1)
	w.connect(c2, "b", 1)
	where := func() []ident.Server {
		t.Helper()
		servers, err := w.svc.Where(context.Background(), []ident.Key{"b", "nobody", "a"})
		if err != nil {
			t.Fatal(err)
		}
		return servers
	}
	if got := where(); !slices.Equal(got, []ident.Server{c2, "", c1}) {
		t.Errorf("%q", got)
	}
	w.renew(w.svc, c1Again)
	if got := where(); !slices.Equal(got, []ident.Server{c2, "", ""}) {
		t.Errorf("after c1 was restarted: %q", got)
	}
	w.store.fail(true, false)
	if _, err := w.svc.Where(context.Background(), []ident.Key{"a"}); !isUnavailable(err) {
		t.Errorf("without sessions: %v", err)
	}
}
