package comet

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// A link costs its record, whoever it is: 1M links are this many MB.
func TestRecordIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n > 144 {
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

// Keys of every length are found, compared whole, and forgotten: the short ones
// lie in the record, the long ones beside it.
func TestKeysOfEveryLength(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := open(t, engine, func(c *Config) { c.Loops = 1 })
		long := strings.Repeat("k", ident.MaxKey)
		var peers []*peer
		for n := 1; n <= ident.MaxKey; n++ {
			p := r.dial(n%2 == 0)
			p.auth(long[:n], "")
			peers = append(peers, p)
		}
		for i, p := range peers {
			key := long[:i+1]
			if o := r.push(&pushpb.Push{Kind: pushpb.Kind_KIND_KEYS, Keys: []string{key}, Op: 1000, Body: []byte(key)}); o.Links != 1 {
				t.Fatalf("key of %d bytes: %+v", i+1, o)
			}
			p.want(1000, 0, key)
		}
		again := r.dial(false)
		again.auth(long, "")
		peers[ident.MaxKey-1].wantEnd(ReasonReplaced)
		for _, p := range append(peers, again) {
			p.Close()
		}
		until(t, "all are forgotten", func() bool { return r.links.Load() == 0 && r.logic.online() == 0 })
		if err := r.Stop(t.Context()); err != nil || len(r.buckets[0].longKeys) != 0 {
			t.Errorf("%v; %d keys left", err, len(r.buckets[0].longKeys))
		}
	})
}
