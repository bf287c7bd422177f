package comet

import (
	"bytes"
	"testing"
	"time"
	"unsafe"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
)

// A link costs its record, whoever it is: 1M links are this many MB.
func TestRecordIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n > 208 {
		t.Errorf("a record takes %d bytes", n)
	}
}

// The list of links that have not authenticated is bounded by their number,
// though one at its front stays and others come and go.
func TestYoungIsBounded(t *testing.T) {
	b := lone(t, &idle{}, link.StageTCP)
	b.OnOpen(poller.ID{Slot: 0, Gen: 1}, poller.Conn{})
	for gen := range uint32(50_000) {
		id := poller.ID{Slot: 1, Gen: gen + 1}
		b.OnOpen(id, poller.Conn{})
		b.OnClose(id, poller.ErrPeerClosed)
		if gen%100 == 0 {
			b.OnTurn(time.Now())
		}
	}
	b.OnTurn(time.Now())
	if len(b.young) > 1200 || b.fresh != 1 || !b.isFresh(b.young[0]) {
		t.Errorf("%d listed, %d fresh", len(b.young), b.fresh)
	}
}

// narrow is a loop whose sockets take n bytes at a time.
type narrow struct {
	idle
	n   int
	got []byte
}

func (l *narrow) Write(_ poller.ID, b []byte) (int, error) {
	n := min(l.n, len(b))
	l.got = append(l.got, b[:n]...)
	return n, nil
}

// An outbox that is never quite empty does not keep what it has sent, counts
// each push once, and mixes nothing up.
func TestOutboxForgetsWhatItSent(t *testing.T) {
	l := &narrow{n: 10}
	b := lone(t, l, link.StageTCP)
	id := poller.ID{Slot: 0, Gen: 1}
	b.OnOpen(id, poller.Conn{})
	r := b.at(id)
	r.state = live
	var want []byte
	pushed := uint64(0)
	for i := range 20_000 {
		for len(want)-len(l.got) < 1000 {
			m := room.NewMsg(1000, bytes.Repeat([]byte{byte(i)}, 1+i%90), 0, 0)
			b.direct(r, m)
			want = append(want, m.Frame...)
			pushed++
		}
		b.OnWritable(id)
		if o := b.outs[0]; cap(o.buf) > 8<<10 || len(o.buf)-o.off != len(want)-len(l.got) {
			t.Fatalf("step %d: outbox of %d bytes, %d sent, for %d", i, cap(o.buf), o.off, len(want)-len(l.got))
		}
	}
	for b.outs[0] != nil {
		b.OnWritable(id)
	}
	if !bytes.Equal(l.got, want) || b.m.ends[ledger.Delivered][0].Load() != pushed {
		t.Errorf("%d bytes got of %d, %d pushes counted of %d", len(l.got), len(want), b.m.ends[ledger.Delivered][0].Load(), pushed)
	}
}
