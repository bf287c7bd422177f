//go:build linux

package gnet

import (
	lib "github.com/panjf2000/gnet/v2"

	"github.com/oortim/oort/poller"
)

// link is one connection. Its loop owns it.
type link struct {
	id        poller.ID
	conn      lib.Conn // nil once gnet has closed it
	fd        int      // of conn
	rest      uint32   // handle of the bytes that are not used, 0 for none
	seen      int      // how many of them the handler has seen and left
	marked    bool     // it is in loop.closing, and OnClose will come
	paused    bool     // deliveries are off
	muted     bool     // it is out of gnet's epoll
	redeliver bool     // it is in loop.resumed, and its rest will be delivered
	owed      bool     // a write was short, and OnWritable will come
	finished  bool     // our FIN is sent
}

// waits says whether what comes must wait for a Resume or for what that left
// to deliver.
func (k *link) waits() bool { return k.paused || k.redeliver }

// table holds the links of one loop by slot.
type table struct {
	links []*link // nil while a slot is free
	gens  []uint32
	free  []uint32
}

// find returns the link of id, or nil if it is gone or marked.
func (t *table) find(id poller.ID) *link {
	if uint64(id.Slot) >= uint64(len(t.links)) {
		return nil
	}
	if k := t.links[id.Slot]; k != nil && k.id == id && !k.marked {
		return k
	}
	return nil
}

// add gives c a slot: the one freed last, or else a new one.
func (t *table) add(c lib.Conn) *link {
	slot := uint32(len(t.links))
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.links = append(t.links, nil)
		t.gens = append(t.gens, 0)
	}
	t.gens[slot] = max(t.gens[slot]+1, 1)
	k := &link{id: poller.ID{Slot: slot, Gen: t.gens[slot]}, conn: c, fd: c.Fd()}
	t.links[slot] = k
	return k
}

func (t *table) remove(slot uint32) {
	t.links[slot] = nil
	t.free = append(t.free, slot)
}
