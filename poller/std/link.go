//go:build unix

package std

import (
	"net"
	"syscall"

	"github.com/oortim/oort/poller"
)

// link is one connection.
type link struct {
	// immutable
	id   poller.ID
	conn *net.TCPConn
	raw  syscall.RawConn

	// guarded by loop.mu
	marked    bool          // it is in loop.closing, and OnClose will come
	paused    bool          // deliveries are off
	redeliver bool          // it is in loop.resumed, and its rest will be delivered
	owed      bool          // a write was short, and a goroutine waits to call OnWritable
	finished  bool          // our FIN is sent
	rest      uint32        // handle of its unused bytes, 0 for none
	gate      chan struct{} // its goroutine waits here for Resume; nil if it does not
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

// add gives conn a slot: the one freed last, or else a new one.
func (t *table) add(conn *net.TCPConn, raw syscall.RawConn) *link {
	slot := uint32(len(t.links))
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.links = append(t.links, nil)
		t.gens = append(t.gens, 0)
	}
	t.gens[slot] = max(t.gens[slot]+1, 1)
	k := &link{id: poller.ID{Slot: slot, Gen: t.gens[slot]}, conn: conn, raw: raw}
	t.links[slot] = k
	return k
}

func (t *table) remove(slot uint32) {
	t.links[slot] = nil
	t.free = append(t.free, slot)
}
