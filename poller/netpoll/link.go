//go:build linux

package netpoll

import (
	lib "github.com/cloudwego/netpoll"

	"github.com/oortim/oort/poller"
)

// link is one connection. Its descriptor is closed by the library if we end
// the link, and by us if the peer does; see end.go.
type link struct {
	// immutable
	id   poller.ID
	loop *loop

	// guarded by loop.mu
	fd        int            // -1 if the library has closed it
	conn      lib.Connection // nil until the link is enrolled
	marked    bool           // it is in loop.closing, and OnClose will come; it stays so
	paused    bool           // deliveries are off
	redeliver bool           // it is in loop.resumed, and its rest will be delivered
	owed      bool           // a write was short, and OnWritable will come
	finished  bool           // our FIN is sent
	rest      uint32         // handle of its unused bytes, 0 for none
	end       error          // the peer's end, to be told when the link is not paused
	gate      chan struct{}  // the library's goroutine waits here for Resume; nil if it does not

	// owned by onRequest, of which the library runs one at a time
	valve valve

	// guarded by loop.endMu
	over  bool // the library has let go of the descriptor, which is ours to close
	letGo bool // we have asked the library to close the descriptor
}

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

// add makes a link of l with a slot: the one freed last, or else a new one.
func (t *table) add(l *loop, fd int) *link {
	slot := uint32(len(t.links))
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.links = append(t.links, nil)
		t.gens = append(t.gens, 0)
	}
	t.gens[slot] = max(t.gens[slot]+1, 1)
	k := &link{id: poller.ID{Slot: slot, Gen: t.gens[slot]}, loop: l, fd: fd}
	t.links[slot] = k
	return k
}

func (t *table) remove(slot uint32) {
	t.links[slot] = nil
	t.free = append(t.free, slot)
}
