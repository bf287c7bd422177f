package room

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/ws"
)

// world is a table with links that are no sockets: each takes as many bytes
// as it was given space for, and the rest only after it was told to be
// writable, as the poller's contract has it.
type world struct {
	*Table
	sets   *Sets
	links  []*fake
	clock  int64
	queues map[ident.Room][]*queued // what waits for a flush, as the model sees it
	bytes  map[ident.Room]int
	lim    Limits

	number    uint32
	concerned uint64 // messages × links
	direct    uint64 // of these, ended by the owner
	torn      bool   // a link closed in the middle of a block
}

// queued is one message that waits.
type queued struct {
	number  uint32
	msg     *Msg
	owed    []*fake
	belongs []int // of owed: index of the stay at the time
}

// stay is one membership of a link: the messages sealed for it, in order.
type stay struct {
	room   ident.Room
	sealed []uint32
}

// fake is one link with its owner's side: an outbox, as the comet has one.
type fake struct {
	id    poller.ID
	enc   Encoding
	gaps  bool
	set   SetID
	in    ident.Room
	stays []stay

	space  int // bytes that the socket takes before it is full
	owed   bool
	broken bool // writes fail
	got    []byte

	out     []byte
	ends    []int // offsets in out at which messages end
	off     int
	hasOut  bool
	stalled bool
}

func newWorld(lim Limits, links int) *world {
	w := &world{sets: NewSets(), queues: map[ident.Room][]*queued{}, bytes: map[ident.Room]int{}, clock: 1, lim: lim}
	w.Table = NewTable(w, w, w.sets, lim, func() int64 { return w.clock })
	w.lim = lim.withDefaults()
	for i := range links {
		w.links = append(w.links, &fake{id: poller.ID{Slot: uint32(i), Gen: 1}, space: 1 << 40})
	}
	return w
}

var errBroken = errors.New("broken")

// Writer.

func (w *world) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	for i, id := range ids {
		n, err := w.links[id.Slot].write(block)
		if taken[i] = int32(n); err != nil {
			taken[i] = -1
		}
	}
}

func (w *world) Writev(id poller.ID, bufs [][]byte) (int, error) {
	return w.links[id.Slot].write(bytes.Join(bufs, nil))
}

func (f *fake) write(b []byte) (int, error) {
	if f.broken {
		return 0, errBroken
	}
	if f.owed {
		return 0, nil
	}
	n := min(len(b), f.space)
	f.got = append(f.got, b[:n]...)
	f.space -= n
	f.owed = n < len(b)
	return n, nil
}

// Owner, as comet's output.go.

func (w *world) Stalled(id poller.ID) { w.links[id.Slot].stalled = true }

func (w *world) Direct(id poller.ID, m *Msg) { w.send(w.links[id.Slot], m.Frame, 1) }

func (w *world) send(f *fake, b []byte, messages int) {
	b = AppendFrame(nil, f.enc, b)
	n := 0
	if !f.stalled && !f.hasOut {
		var err error
		if n, err = f.write(b); err != nil || n == len(b) {
			w.direct += uint64(messages)
			return
		}
	}
	w.queue(f, b[n:], messages)
}

func (w *world) queue(f *fake, b []byte, messages int) {
	f.out = append(f.out, b...)
	for range messages {
		f.ends = append(f.ends, len(f.out))
	}
	f.hasOut, f.stalled = true, true
	w.Hold(f.id)
}

func (w *world) prepend(f *fake, rest []byte, messages int) {
	if len(rest) == 0 {
		return
	}
	if f.off != 0 {
		panic("the outbox and a block are both begun")
	}
	for i := range f.ends {
		f.ends[i] += len(rest)
	}
	for range messages {
		f.ends = append([]int{len(rest)}, f.ends...)
	}
	f.out = append(bytes.Clone(rest), f.out...)
	f.hasOut = true
}

func (w *world) writable(f *fake) {
	f.owed = false
	if done, err := w.FinishBlock(f.id); !done || err != nil {
		return
	}
	if f.hasOut {
		n, err := f.write(f.out[f.off:])
		if err != nil {
			return
		}
		f.off += n
		for len(f.ends) > 0 && f.ends[0] <= f.off {
			f.ends = f.ends[1:]
			w.direct++
		}
		if f.off < len(f.out) {
			return
		}
		f.out, f.ends, f.off, f.hasOut = nil, nil, 0, false
	}
	if upToDate, err := w.CatchUp(f.id); err == nil && upToDate {
		f.stalled = false
	}
}

// The model's actions.

func (w *world) join(f *fake, name ident.Room, enc Encoding, set SetID) {
	f.in, f.set, f.stays = name, set, append(f.stays, stay{room: name})
	if f.enc != enc {
		if f.hasOut || len(f.got) > 0 {
			enc = f.enc // a link speaks one language
		}
		f.enc = enc
	}
	w.Join(f.id, name, enc, set, !f.stalled && !f.hasOut)
	for _, q := range w.queues[name] {
		w.concern(q, f)
	}
}

func (w *world) concern(q *queued, f *fake) {
	if w.sets.At(f.set).Wants(q.msg.Op) {
		q.owed, q.belongs = append(q.owed, f), append(q.belongs, len(f.stays)-1)
		w.concerned++
	}
}

func (w *world) leave(f *fake, why func(*Stats) *uint64) {
	for _, q := range w.queues[f.in] {
		q.drop(f)
	}
	rest, begun := w.Leave(f.id, why)
	w.prepend(f, rest, begun)
	w.sets.Release(f.set)
	name := f.in
	f.in, f.set = "", 0
	if !slices.ContainsFunc(w.links, func(f *fake) bool { return f.in == name }) {
		delete(w.queues, name) // the room is gone, and what waited for it
		delete(w.bytes, name)
	}
}

func (q *queued) drop(f *fake) {
	for i, g := range q.owed {
		if g == f {
			q.owed, q.belongs = slices.Delete(q.owed, i, i+1), slices.Delete(q.belongs, i, i+1)
			return
		}
	}
}

func (w *world) change(f *fake, set SetID) {
	old := f.set
	if f.in != "" && set != old {
		w.sealed(f.in)
	}
	name := f.in
	rest, begun, missed := w.Change(f.id, set, !f.stalled && !f.hasOut)
	f.set = set
	w.prepend(f, rest, begun)
	if missed > 0 && f.gaps {
		w.queue(f, GapMarker(name, f.enc, missed), 0)
	}
	w.sets.Release(old)
}

// close ends a link as the comet does: out of the room, and what the outbox
// still holds is lost. A new one takes its slot.
func (w *world) close(f *fake) {
	if w.MidBlock(f.id) || f.off > 0 {
		w.torn = true
	}
	if f.in != "" {
		w.leave(f, OwedClosed)
	}
	w.direct += uint64(len(f.ends))
	w.links[f.id.Slot] = &fake{id: poller.ID{Slot: f.id.Slot, Gen: f.id.Gen + 1}, space: 1 << 40}
}

func (w *world) push(name ident.Room, op uint32, size int, expires int64) {
	w.number++
	body := binary.BigEndian.AppendUint32(make([]byte, 0, 4+size), w.number)
	m := NewMsg(op, append(body, make([]byte, size)...), 0, expires)
	if w.Push(name, m) == 0 {
		return
	}
	q := &queued{number: w.number, msg: m}
	for _, f := range w.links {
		if f.in == name {
			w.concern(q, f)
		}
	}
	w.queues[name] = append(w.queues[name], q)
	w.bytes[name] += len(m.Frame)
	for w.bytes[name] > w.lim.Pending && len(w.queues[name]) > 1 {
		w.bytes[name] -= len(w.queues[name][0].msg.Frame)
		w.queues[name] = w.queues[name][1:]
	}
}

// sealed moves what waits for a room to the members' own lists.
func (w *world) sealed(name ident.Room) {
	for _, q := range w.queues[name] {
		if q.msg.expired(w.clock) {
			continue
		}
		for i, f := range q.owed {
			s := &f.stays[q.belongs[i]]
			s.sealed = append(s.sealed, q.number)
		}
	}
	delete(w.queues, name)
	delete(w.bytes, name)
}

func (w *world) flushAll() {
	for name := range w.queues {
		w.sealed(name)
	}
	w.Flush()
}

// heard is what a link's bytes say: messages by number, and gaps.
type heard struct {
	number uint32 // 0 for a gap
	room   ident.Room
	missed int
}

// listen decodes all that a link got. whole says that it must end with a whole
// frame.
func (f *fake) listen(whole bool) (said []heard, err error) {
	b := f.got
	for len(b) > 0 {
		var payload []byte
		if f.enc == TCP {
			_, n, err := frame.Next(b, 1<<20)
			if err != nil {
				return said, err
			}
			payload, b = b[:n], b[n:]
		} else {
			h, n, err := ws.ParseHeader(b)
			if err != nil {
				return said, err
			}
			if n > 0 && len(b) >= n+int(h.Len) {
				if h.Op != ws.OpBinary || !h.Fin {
					return said, fmt.Errorf("header %+v", h)
				}
				payload, b = b[n:n+int(h.Len)], b[n+int(h.Len):]
			}
		}
		if len(payload) == 0 {
			if whole {
				return said, fmt.Errorf("%d bytes of a frame at the end", len(b))
			}
			return said, nil
		}
		if said, err = hear(said, payload); err != nil {
			return said, err
		}
	}
	return said, nil
}

func hear(said []heard, payload []byte) ([]heard, error) {
	one, err := frame.Exact(payload, 1<<20)
	if err != nil {
		return said, err
	}
	switch {
	case one.Op == frame.OpBatch:
		for sub, err := range frame.Frames(one.Body, 1<<20) {
			if err != nil {
				return said, err
			}
			said = append(said, heard{number: binary.BigEndian.Uint32(sub.Body)})
		}
		return said, nil
	case one.Op == frame.OpGap:
		var gap struct {
			Room    ident.Room
			Skipped int
		}
		err := json.Unmarshal(one.Body, &gap)
		return append(said, heard{room: gap.Room, missed: gap.Skipped}), err
	}
	return append(said, heard{number: binary.BigEndian.Uint32(one.Body)}), nil
}

// explains reports whether what was heard can be what the room did: in each
// stay whole messages in order, and each one left out told by a gap (if told),
// but for what is missing when the stay ended. done says that the last stay
// was caught up to its end.
func (f *fake) explains(said []heard, done bool) bool {
	type at struct{ heard, stay, pos int }
	seen := map[at]bool{}
	var fits func(a at) bool
	fits = func(a at) bool {
		if seen[a] {
			return false
		}
		seen[a] = true
		if a.heard == len(said) && (!done || a.stay >= len(f.stays)-1) {
			if len(f.stays) == 0 || !done {
				return true
			}
			if !f.gaps || a.pos == len(f.stays[a.stay].sealed) {
				return true
			}
		}
		if a.stay >= len(f.stays) {
			return false
		}
		s := f.stays[a.stay]
		if a.heard < len(said) {
			h := said[a.heard]
			if h.number != 0 && a.pos < len(s.sealed) && s.sealed[a.pos] == h.number && fits(at{a.heard + 1, a.stay, a.pos + 1}) {
				return true
			}
			if h.missed > 0 && h.room == s.room && a.pos+h.missed <= len(s.sealed) && fits(at{a.heard + 1, a.stay, a.pos + h.missed}) {
				return true
			}
		}
		if !f.gaps && a.pos < len(s.sealed) && fits(at{a.heard, a.stay, a.pos + 1}) {
			return true
		}
		return a.stay+1 < len(f.stays) && fits(at{a.heard, a.stay + 1, 0})
	}
	return fits(at{})
}
