package logic_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/balance"
)

func nodes(t *testing.T, svc *logic.Service) []string {
	t.Helper()
	p, err := svc.Nodes(balance.Client{})
	if err != nil && !errors.Is(err, balance.ErrNone) {
		t.Fatal(err)
	}
	slices.Sort(p.Nodes)
	return p.Nodes
}

// TestNodesForgetTheDead: a comet that dies is told no more a lease after its
// last renewal, as another logic sees it, however the reads fall; one that
// drains at the next read.
func TestNodesForgetTheDead(t *testing.T) {
	const lease, refresh = 15 * time.Hour, time.Hour
	short := func(c *logic.Config) { c.Lease, c.Refresh = lease, refresh }
	for offset := time.Duration(0); offset < refresh; offset += refresh / 5 {
		w := newWorld(t, short)
		other := w.open(short)
		w.renew(w.svc, c1, c2)
		renewed := w.clock.Now()
		w.clock.add(offset)
		for {
			alive(t, other)
			gone := slices.Equal(nodes(t, other), []string{"c1"})
			since := w.clock.Now().Sub(renewed)
			if gone {
				if since < lease/2 {
					t.Errorf("offset %v: gone after %v already", offset, since)
				}
				break
			}
			if since >= lease {
				t.Fatalf("offset %v: told %v after its renewal", offset, since)
			}
			w.clock.add(refresh)
			w.renew(w.svc, c1)
		}
	}
}

func TestNodesForgetTheDraining(t *testing.T) {
	w := newWorld(t)
	other := w.open()
	w.renew(w.svc, c1, c2)
	alive(t, other)
	if got := nodes(t, other); len(got) != 2 {
		t.Fatalf("nodes %v", got)
	}
	if _, _, err := w.svc.Renew(context.Background(), logic.Comet{Server: c2, TCPAddr: "c2", Counter: 9, Draining: true}, nil); err != nil {
		t.Fatal(err)
	}
	alive(t, other)
	for _, svc := range []*logic.Service{w.svc, other} {
		if got := nodes(t, svc); !slices.Equal(got, []string{"c1"}) {
			t.Errorf("nodes %v", got)
		}
	}
}

// TestNodesWithoutRegistry: a registry that is away takes nobody out of the
// list, however long.
func TestNodesWithoutRegistry(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	alive(t, w.svc)
	w.store.fail(false, true)
	w.clock.add(100 * time.Hour)
	if _, err := w.svc.Comets(context.Background()); err == nil {
		t.Fatal("read a registry that is away")
	}
	if got := nodes(t, w.svc); len(got) != 2 {
		t.Errorf("nodes %v", got)
	}
}
