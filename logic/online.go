package logic

import (
	"slices"
	"strings"

	"github.com/oortim/oort/proto/ident"
)

// RoomCount is how many links a room has in the whole cluster.
type RoomCount struct {
	Room  ident.Room
	Links int32
}

// Online is what the cluster holds. It is at most a renewal of the comets and
// a Refresh old.
type Online struct {
	Links    uint64
	Connects uint64
	Rooms    int
	Comets   int
}

// Online sums the living comets up.
func (s *Service) Online() Online {
	o := s.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := Online{Rooms: len(o.rooms)}
	for _, c := range o.comets {
		if !c.dead {
			sum.Links += c.Links
			sum.Connects += c.Connects
			sum.Comets++
		}
	}
	return sum
}

// OnlineRooms answers with the links of each room, 0 for an unknown one.
func (s *Service) OnlineRooms(rooms []ident.Room) []RoomCount {
	o := s.observer
	counts := make([]RoomCount, len(rooms))
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, room := range rooms {
		counts[i] = RoomCount{Room: room, Links: o.rooms[string(room)]}
	}
	return counts
}

// OnlineTop lists the n rooms of a type with the most links, most first; of
// all types if typ is empty.
func (s *Service) OnlineTop(typ string, n int) []RoomCount {
	prefix := ""
	if typ != "" {
		prefix = typ + "://"
	}
	return s.observer.sorted(prefix, max(0, n))
}

// topCache keeps the rooms in order, for as long as their counts stand: asking
// for the top of 100,000 rooms again and again must not sort them each time.
type topCache struct {
	version uint64
	rooms   []RoomCount
}

func (o *observer) sorted(prefix string, n int) []RoomCount {
	top := []RoomCount{}
	for _, count := range o.order() {
		if len(top) >= n {
			break
		}
		if strings.HasPrefix(string(count.Room), prefix) {
			top = append(top, count)
		}
	}
	return top
}

// order returns all rooms, most links first; nobody changes the slice.
func (o *observer) order() []RoomCount {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.top.rooms != nil && o.top.version == o.version {
		return o.top.rooms
	}
	rooms := make([]RoomCount, 0, len(o.rooms))
	for room, links := range o.rooms {
		rooms = append(rooms, RoomCount{Room: ident.Room(room), Links: links})
	}
	slices.SortFunc(rooms, func(a, b RoomCount) int {
		if a.Links != b.Links {
			return int(b.Links) - int(a.Links)
		}
		return strings.Compare(string(a.Room), string(b.Room))
	})
	o.top = topCache{version: o.version, rooms: rooms}
	return rooms
}
