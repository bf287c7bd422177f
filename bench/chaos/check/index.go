package check

import "github.com/oortim/oort/bench/chaos/history"

// index finds the pushes that concern a link, in the order of their ids.
type index struct {
	rooms map[string][]uint32
	keys  map[string][]uint32
	mids  map[int64][]uint32
	all   []uint32
}

func newIndex(run *history.Run) index {
	x := index{rooms: map[string][]uint32{}, keys: map[string][]uint32{}, mids: map[int64][]uint32{}}
	for i := range run.Pushes {
		p := &run.Pushes[i]
		switch p.Kind {
		case history.Room:
			x.rooms[p.Room] = append(x.rooms[p.Room], p.ID)
		case history.Keys:
			for _, k := range p.Keys {
				x.keys[k] = once(x.keys[k], p.ID)
			}
		case history.Mids:
			for _, m := range p.Mids {
				x.mids[m] = once(x.mids[m], p.ID)
			}
		case history.All:
			x.all = append(x.all, p.ID)
		}
	}
	return x
}

// once appends id unless it is there: who is named twice is owed one message.
func once(ids []uint32, id uint32) []uint32 {
	if n := len(ids); n > 0 && ids[n-1] == id {
		return ids
	}
	return append(ids, id)
}
