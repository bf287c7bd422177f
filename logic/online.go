package logic

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oortim/oort/proto/ident"
)

// RoomCount is how many links a room has in the whole cluster.
type RoomCount struct {
	Room  ident.Room
	Links int32
}

// Online is what the cluster, or a region of it, holds. It is at most a renewal
// of the comets and a Refresh old: each comet counts its links and rooms at one
// moment, so the sums are exact for those moments.
type Online struct {
	Links    uint64
	Connects uint64
	Rooms    int
	Comets   int
}

// Everywhere, as a region, is the whole cluster. No comet has this region.
const Everywhere = "*"

// Online sums the living comets of a region up.
func (s *Service) Online(region string) Online {
	o := s.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := Online{Rooms: len(o.roomsLocked(region))}
	for _, c := range o.comets {
		if !c.dead && c.in(region) {
			sum.add(&c.Comet)
		}
	}
	return sum
}

// OnlineRegions sums the living comets up by their regions. Rooms that several
// regions have count in each.
func (s *Service) OnlineRegions() map[string]Online {
	o := s.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	sums := map[string]Online{}
	for _, c := range o.comets {
		if !c.dead {
			sum := sums[c.Region]
			sum.add(&c.Comet)
			sums[c.Region] = sum
		}
	}
	for region, sum := range sums {
		sum.Rooms = len(o.roomsLocked(region))
		sums[region] = sum
	}
	return sums
}

func (sum *Online) add(c *Comet) {
	sum.Links += c.Links
	sum.Connects += c.Connects
	sum.Comets++
}

// OnlineRooms answers with the links of each room in a region, 0 for an unknown
// room or region.
func (s *Service) OnlineRooms(region string, rooms []ident.Room) []RoomCount {
	o := s.observer
	counts := make([]RoomCount, len(rooms))
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.roomsLocked(region)
	for i, room := range rooms {
		counts[i] = RoomCount{Room: room, Links: all[string(room)]}
	}
	return counts
}

// OnlineTop lists the n rooms of a type with the most links in a region, most
// first; of all types if typ is empty.
func (s *Service) OnlineTop(region, typ string, n int) []RoomCount {
	prefix := ""
	if typ != "" {
		prefix = typ + "://"
	}
	return s.observer.sorted(region, prefix, max(0, n))
}

// in reports whether the comet is in a region.
func (s *sighting) in(region string) bool { return region == Everywhere || s.Region == region }

// roomsLocked are the links of each room in a region; nobody changes the map.
func (o *observer) roomsLocked(region string) map[string]int32 {
	if region == Everywhere {
		return o.rooms
	}
	c := o.countLocked(region)
	return c.sums
}

// regionCount keeps what was computed of a region's rooms, for as long as the
// counts stand: asking for the top of 100,000 rooms again and again must not
// sum and sort them each time.
type regionCount struct {
	version uint64
	sums    map[string]int32 // not of Everywhere, whose sums are observer.rooms
	order   []RoomCount      // nil: not sorted yet
}

// countLocked returns what is computed of a region, as of now. Regions are kept
// only while comets have them, so strangers cannot fill the memory with names.
func (o *observer) countLocked(region string) *regionCount {
	c := o.counts[region]
	if c != nil && c.version == o.version {
		return c
	}
	c = &regionCount{version: o.version}
	delete(o.counts, region)
	if region == Everywhere {
		o.counts[region] = c
		return c
	}
	c.sums = map[string]int32{}
	for _, s := range o.comets {
		if !s.dead && s.in(region) {
			o.counts[region] = c
			for room, links := range s.rooms {
				c.sums[room] += links
			}
		}
	}
	return c
}

func (o *observer) sorted(region, prefix string, n int) []RoomCount {
	top := []RoomCount{}
	for _, count := range o.order(region) {
		if len(top) >= n {
			break
		}
		if strings.HasPrefix(string(count.Room), prefix) {
			top = append(top, count)
		}
	}
	return top
}

// order returns all rooms of a region, most links first; nobody changes the
// slice.
func (o *observer) order(region string) []RoomCount {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.countLocked(region)
	if c.order != nil {
		return c.order
	}
	all := o.roomsLocked(region)
	c.order = make([]RoomCount, 0, len(all))
	for room, links := range all {
		c.order = append(c.order, RoomCount{Room: ident.Room(room), Links: links})
	}
	slices.SortFunc(c.order, func(a, b RoomCount) int {
		return cmp.Or(cmp.Compare(b.Links, a.Links), strings.Compare(string(a.Room), string(b.Room)))
	})
	return c.order
}
