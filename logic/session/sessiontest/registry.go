package sessiontest

import (
	"context"
	"maps"
	"testing"

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
		if len(got) != len(comets) {
			t.Fatalf("comets %+v, want %+v", got, comets)
		}
		for _, c := range comets {
			found := false
			for _, g := range got {
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
		want(nil, two)
	}
}
