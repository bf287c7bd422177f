package sessiontest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// Registry runs the suite of leases. The backend must be empty of comets.
func Registry(t *testing.T, b Backend) {
	ctx := context.Background()
	reg, other := b.Open(t), b.Open(t)
	renew := func(server ident.Server, counter uint64, rooms map[string]int32) logic.Comet {
		t.Helper()
		c := logic.Comet{
			Server: server, GRPCAddr: "127.0.0.1:3109", TCPAddr: "h", WSAddr: "h:1", Region: "sh",
			Weight: 3, Links: 10 * counter, MaxLinks: 1000, Draining: counter > 8, Counter: counter, Connects: 99,
		}
		if err := reg.Renew(ctx, c, rooms); err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := func(rooms map[string]int32, comets ...logic.Comet) {
		t.Helper()
		got, err := other.Comets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Comets) != len(comets) {
			t.Fatalf("comets %+v, want %+v", got.Comets, comets)
		}
		for _, c := range comets {
			found := false
			for _, g := range got.Comets {
				found = found || g == c
			}
			if !found {
				t.Errorf("comets %+v lack %+v", got, c)
			}
		}
		counts, err := other.Rooms(ctx, []ident.Server{"nobody@1", c1})
		if err != nil || len(counts) != 2 || counts[0] != nil || !maps.Equal(counts[1], rooms) {
			t.Errorf("rooms %v (%v), want %v", counts, err, rooms)
		}
	}
	want(nil)
	rooms := map[string]int32{"live://1": 3, "live://2": 1}
	one := renew(c1, 1, rooms)
	rooms["live://1"] = 99 // the registry keeps no reference
	want(map[string]int32{"live://1": 3, "live://2": 1}, one)
	two := renew(c2, 9, nil)
	one = renew(c1, 3, map[string]int32{"live://2": 5})
	renew(c1, 2, map[string]int32{"live://2": 7}) // late
	want(map[string]int32{"live://2": 5}, one, two)
	for range 2 {
		if err := other.Leave(ctx, c1); err != nil {
			t.Fatal(err)
		}
		want(nil, two, logic.Comet{Server: c1, Left: true})
	}
	renew(c1, 4, nil) // late: it has left
	want(nil, two, logic.Comet{Server: c1, Left: true})
}

// Ages runs the suite of what a registry tells about itself. The backend must be
// empty of comets, and nothing may have been renewed there.
func Ages(t *testing.T, b Backend) {
	reg, other := b.Open(t), b.Open(t)
	list := func() logic.Listing {
		t.Helper()
		l, err := other.Comets(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	renew := func(server ident.Server, counter uint64, leased bool) {
		t.Helper()
		if err := reg.Renew(context.Background(), logic.Comet{Server: server, Counter: counter, Leased: leased}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if l := list(); l.Age != 0 || l.Loss != logic.Never {
		t.Errorf("nothing stored: age %v, loss %v", l.Age, l.Loss)
	}
	began := time.Now()
	renew(c1, 1, false)
	renew(c1, 2, true)
	renew(c2, 7, false) // earlier renewals of it did not arrive
	for list().Age < 20*time.Millisecond {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("age %v after %v", list().Age, time.Since(began))
		}
	}
	if l := list(); l.Age > time.Since(began)+time.Millisecond || l.Loss != logic.Never {
		t.Errorf("new comets: age %v after %v, loss %v", l.Age, time.Since(began), l.Loss)
	}
	lost := time.Now()
	renew("c3@1", 9, true) // was here before and is not stored
	first := list()
	if since := time.Since(lost) + time.Millisecond; first.Loss > since {
		t.Errorf("loss %v ago, want up to %v", first.Loss, since)
	}
	renew("c3@1", 10, true)
	for list().Loss == first.Loss {
		if time.Since(lost) > 10*time.Second {
			t.Fatal("the time since the loss stands still")
		}
	}
}
