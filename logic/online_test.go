package logic_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// TestOnlineIsExact: when every comet has reported once and the registry has
// been read, all counts, by room, in all, by region and in order, are exactly
// the sums of what the comets have, at every logic, whichever it renewed at.
func TestOnlineIsExact(t *testing.T) {
	names := []string{"a1", "a2", "b1", "c1"}
	region := map[string]string{"a1": "a", "a2": "a", "b1": "b", "c1": ""}
	rooms := []string{"live://1", "live://2", "live://3", "game://1"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		services := []*logic.Service{w.svc, w.open()}
		have, regions := map[ident.Server]map[string]int32{}, map[ident.Server]string{}
		runs := map[string]int{}
		for range rapid.IntRange(1, 8).Draw(rt, "intervals") {
			for _, name := range names {
				c := ident.Server(fmt.Sprintf("%s@%d", name, 1+runs[name]))
				regions[c] = region[name]
				switch rapid.SampledFrom([]string{"change", "same", "leave"}).Draw(rt, string(c)) {
				case "leave":
					delete(have, c)
					runs[name]++ // whoever left comes back as another
					if err := services[0].Leave(context.Background(), c); err != nil {
						rt.Fatal(err)
					}
					continue
				case "change":
					have[c] = map[string]int32{}
					for _, room := range rooms {
						if n := rapid.Int32Range(0, 3).Draw(rt, room); n > 0 {
							have[c][room] = n
						}
					}
				case "same":
					if have[c] == nil {
						continue
					}
				}
				w.count[c]++
				svc := services[rapid.IntRange(0, 1).Draw(rt, "logic")]
				if _, _, err := svc.Renew(context.Background(), logic.Comet{
					Server: c, Region: regions[c], Links: uint64(total(have[c])), Counter: w.count[c],
				}, have[c]); err != nil {
					rt.Fatal(err)
				}
			}
			for _, svc := range services {
				if _, err := svc.Comets(context.Background()); err != nil {
					rt.Fatal(err)
				}
				for _, region := range []string{logic.Everywhere, "a", "b", "", "none"} {
					checkOnline(rt, svc, region, rooms, regionSum(have, regions, region), regionComets(have, regions, region))
				}
			}
		}
	})
}

func total(rooms map[string]int32) (n int32) {
	for _, links := range rooms {
		n += links
	}
	return n
}

func regionSum(have map[ident.Server]map[string]int32, regions map[ident.Server]string, region string) map[string]int32 {
	sum := map[string]int32{}
	for c, rooms := range have {
		if region == logic.Everywhere || regions[c] == region {
			for room, n := range rooms {
				sum[room] += n
			}
		}
	}
	return sum
}

func regionComets(have map[ident.Server]map[string]int32, regions map[ident.Server]string, region string) (n int) {
	for c := range have {
		if region == logic.Everywhere || regions[c] == region {
			n++
		}
	}
	return n
}

func checkOnline(rt *rapid.T, svc *logic.Service, region string, rooms []string, want map[string]int32, comets int) {
	for _, room := range rooms {
		if got := svc.OnlineRooms(region, []ident.Room{ident.Room(room)})[0].Links; got != want[room] {
			rt.Fatalf("%s in %q has %d, want %d", room, region, got, want[room])
		}
	}
	sum := logic.Online{Links: uint64(total(want)), Rooms: len(want), Comets: comets}
	if got := svc.Online(region); got != sum {
		rt.Fatalf("%q: %+v, want %+v", region, got, sum)
	}
	if got, has := svc.OnlineRegions()[region]; region != logic.Everywhere && (has != (comets > 0) || has && got != sum) {
		rt.Fatalf("regions: %q is %+v (%v), want %+v", region, got, has, sum)
	}
	var order []logic.RoomCount
	for _, room := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(room, "live://") {
			order = append(order, logic.RoomCount{Room: ident.Room(room), Links: want[room]})
		}
	}
	slices.SortStableFunc(order, func(a, b logic.RoomCount) int { return cmp.Compare(b.Links, a.Links) })
	if got := svc.OnlineTop(region, "live", 2); !slices.Equal(got, order[:min(2, len(order))]) {
		rt.Fatalf("top of %q: %v, want %v", region, got, order)
	}
}
