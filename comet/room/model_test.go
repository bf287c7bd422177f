package room

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oortim/oort/comet/ledger"
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
	clock  int64                    // microseconds
	cost   int64                    // of a write, in microseconds
	queues map[ident.Room][]*queued // what waits for a flush, as the model sees it
	lost   map[ident.Room][]*Msg    // what was shed or expired since the last
	traces map[*ledger.Trace]uint32 // for how many links a message is to end
	watch  map[*ledger.Watch]*bool  // whether all who held it have let go

	number    uint32
	concerned ledger.Counts // messages × links
	direct    ledger.Counts // of these, ended by the owner
}

// queued is one message that waits.
type queued struct {
	number  uint32
	msg     *Msg
	owed    []*fake
	belongs []int // of owed: index of the stay at the time
}

// stay is one membership of a link: what was sealed for it, in order.
type stay struct {
	room   ident.Room
	sealed []sealed
}

// sealed is one message, or a marker of lost ones.
type sealed struct {
	number uint32 // 0 for a marker
	n      ledger.Counts
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
	ends    []end
	off     int
	hasOut  bool
	stalled bool
}

// end is where in an outbox a message ends.
type end struct {
	at  int
	msg *Msg
}

func newWorld(lim Limits, links int, cost int64) *world {
	w := &world{
		sets: NewSets(), queues: map[ident.Room][]*queued{}, lost: map[ident.Room][]*Msg{},
		traces: map[*ledger.Trace]uint32{}, watch: map[*ledger.Watch]*bool{}, clock: 1, cost: cost,
	}
	w.Table = NewTable(w, w, w.sets, lim, func() time.Time { return time.UnixMicro(w.clock) })
	for i := range links {
		w.links = append(w.links, &fake{id: poller.ID{Slot: uint32(i), Gen: 1}, space: 1 << 40})
	}
	return w
}

var errBroken = errors.New("broken")

// Writer.

func (w *world) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	w.clock += w.cost * int64(len(ids))
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

func (w *world) Busy(id poller.ID) bool { return w.links[id.Slot].stalled || w.links[id.Slot].hasOut }

func (w *world) Direct(id poller.ID, name ident.Room, lost *ledger.Counts, msgs []*Msg) {
	w.clock += w.cost
	f := w.links[id.Slot]
	w.send(f, AppendGaps(nil, name, f.enc, lost), nil)
	w.send(f, AppendBlock(nil, f.enc, msgs, w.lim.Batch), msgs)
}

// send writes b, which holds msgs, or queues it.
func (w *world) send(f *fake, b []byte, msgs []*Msg) {
	n := 0
	if !f.stalled && !f.hasOut {
		var err error
		if n, err = f.write(b); err != nil || n == len(b) {
			w.ended(msgs...)
			return
		}
	}
	w.queue(f, b[n:], msgs)
}

// ended counts what the owner has to count.
func (w *world) ended(msgs ...*Msg) {
	for _, m := range msgs {
		w.direct[m.Lane]++
		m.Trace.End(ledger.Full, 1) // whatever
	}
}

func (w *world) queue(f *fake, b []byte, msgs []*Msg) {
	if len(b) == 0 {
		return
	}
	f.out = append(f.out, b...)
	for _, m := range msgs {
		f.ends = append(f.ends, end{len(f.out), m})
	}
	f.hasOut, f.stalled = true, true
	w.Hold(f.id)
}

func (w *world) prepend(f *fake, rest []byte, msgs []*Msg) {
	if len(rest) == 0 {
		return
	}
	if f.off != 0 {
		panic("the outbox and a block are both begun")
	}
	var ends []end
	for _, m := range msgs {
		ends = append(ends, end{len(rest), m})
	}
	for _, e := range f.ends {
		ends = append(ends, end{e.at + len(rest), e.msg})
	}
	f.ends = ends
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
		for len(f.ends) > 0 && f.ends[0].at <= f.off {
			w.ended(f.ends[0].msg)
			f.ends = f.ends[1:]
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
		w.concerned[q.msg.Lane]++
	}
}

func (w *world) leave(f *fake, why ledger.Outcome) {
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
		delete(w.lost, name)
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

// change gives a link other accepts. They hold for what waits, too.
func (w *world) change(f *fake, set SetID) {
	old, name := f.set, f.in
	if set != old {
		had, has := w.sets.At(old), w.sets.At(set)
		for _, q := range w.queues[name] {
			switch op := q.msg.Op; {
			case had.Wants(op) && !has.Wants(op):
				q.drop(f)
			case !had.Wants(op) && has.Wants(op):
				f.set = set
				w.concern(q, f)
			}
		}
	}
	f.set = set
	rest, begun, gap := w.Change(f.id, set, !f.stalled && !f.hasOut)
	w.prepend(f, rest, begun)
	if gap.Total() > 0 && f.gaps {
		w.queue(f, AppendGaps(nil, name, f.enc, &gap), nil)
	}
	w.sets.Release(old)
}

// close ends a link as the comet does: out of the room, and what the outbox
// still holds is lost. A new one takes its slot.
func (w *world) close(f *fake) {
	if f.in != "" {
		w.leave(f, ledger.Closed)
	}
	for _, e := range f.ends {
		w.ended(e.msg)
	}
	w.links[f.id.Slot] = &fake{id: poller.ID{Slot: f.id.Slot, Gen: f.id.Gen + 1}, space: 1 << 40}
}

func (w *world) push(name ident.Room, m *Msg, size int) {
	w.number++
	body := binary.BigEndian.AppendUint32(make([]byte, 0, 4+size), w.number)
	wire := NewMsg(m.Op, append(body, make([]byte, size)...), m.Lane, m.Expires)
	wire.Collapse, wire.Trace = m.Collapse, ledger.NewTrace(w.clock)
	over := new(bool)
	wire.Watch = ledger.NewWatch(func(*ledger.Watch) { *over = true })
	wire.Watch.Hold()
	if w.Push(name, wire) == 0 {
		return
	}
	w.watch[wire.Watch] = over
	w.queues[name] = slices.DeleteFunc(w.queues[name], func(q *queued) bool {
		same := q.msg.Collapse != "" && q.msg.Collapse == wire.Collapse
		if same {
			w.traces[q.msg.Trace] = uint32(len(q.owed))
		}
		return same
	})
	q := &queued{number: w.number, msg: wire}
	for _, f := range w.links {
		if f.in == name {
			w.concern(q, f)
		}
	}
	w.queues[name] = append(w.queues[name], q)
	w.shedModel(name)
}

// shedModel sheds as the documentation of Limits has it.
func (w *world) shedModel(name ident.Room) {
	bytes := func(list []*queued) (n int) {
		for _, q := range list {
			n += len(q.msg.Frame)
		}
		return n
	}
	for len(w.queues[name]) > 1 {
		all := 0
		for _, list := range w.queues {
			all += bytes(list)
		}
		list, least := w.queues[name], uint8(ledger.Gift)
		switch {
		case all > w.lim.Waiting:
			least = ledger.System
		case bytes(list) <= w.most(w.rooms[w.byName[name]]):
			return
		}
		out := -1
		for i, q := range list {
			if q.msg.Lane >= least && (out < 0 || q.msg.Lane > list[out].msg.Lane) {
				out = i
			}
		}
		if out < 0 {
			return
		}
		w.lose(name, list[out])
		w.queues[name] = slices.Delete(list, out, out+1)
	}
}

func (w *world) lose(name ident.Room, q *queued) {
	w.lost[name] = append(w.lost[name], q.msg)
	w.traces[q.msg.Trace] = uint32(len(q.owed))
}

// sealed moves what waits for a room to the members' own lists.
func (w *world) sealed(name ident.Room) {
	live := w.queues[name][:0]
	for _, q := range w.queues[name] {
		if q.msg.Expired(w.clock) {
			w.lose(name, q)
			continue
		}
		live = append(live, q)
	}
	for _, f := range w.links {
		if f.in != name || !f.gaps {
			continue
		}
		var n ledger.Counts
		for _, m := range w.lost[name] {
			if w.sets.At(f.set).Wants(m.Op) {
				n[m.Lane]++
			}
		}
		if s := &f.stays[len(f.stays)-1]; n.Total() > 0 {
			s.sealed = append(s.sealed, sealed{n: n})
		}
	}
	for _, q := range live {
		w.traces[q.msg.Trace] = uint32(len(q.owed))
		for i, f := range q.owed {
			s := &f.stays[q.belongs[i]]
			one := sealed{number: q.number}
			one.n[q.msg.Lane] = 1
			s.sealed = append(s.sealed, one)
		}
	}
	delete(w.queues, name)
	delete(w.lost, name)
}

// turn is one turn of the loop: what the table has taken out of its queues is
// sealed.
func (w *world) turn() time.Duration {
	wait := w.Flush()
	for _, name := range testRooms {
		if i, ok := w.byName[name]; ok && w.rooms[i].queue == nil {
			w.sealed(name)
		}
	}
	return wait
}

// heard is what a link's bytes say: messages by number, and gaps.
type heard struct {
	number uint32 // 0 for a gap
	room   ident.Room
	gap    ledger.Counts
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
			Lane    string
			Skipped uint64
		}
		if err := json.Unmarshal(one.Body, &gap); err != nil {
			return said, err
		}
		h := heard{room: gap.Room}
		for lane := range ledger.Lanes {
			if ledger.LaneName(lane) == gap.Lane {
				h.gap[lane] = gap.Skipped
			}
		}
		return append(said, h), nil
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
			if h.number != 0 && a.pos < len(s.sealed) && s.sealed[a.pos].number == h.number && fits(at{a.heard + 1, a.stay, a.pos + 1}) {
				return true
			}
			if h.number == 0 && h.room == s.room && f.fitsGap(said, s, a.heard, a.pos, done, func(heard, pos int) bool { return fits(at{heard, a.stay, pos}) }) {
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

// fitsGap tries to read the markers from said[i] on, one a lane, as one gap:
// what was lost at that place, or what was skipped there. At the end some of
// them may be on their way.
func (f *fake) fitsGap(said []heard, s stay, i, pos int, done bool, goesOn func(heard, pos int) bool) bool {
	var told ledger.Counts
	for ; i < len(said) && said[i].number == 0 && said[i].room == s.room; i++ {
		told.Add(&said[i].gap, 1)
		var n ledger.Counts
		for to := pos; to < len(s.sealed); to++ {
			if n.Add(&s.sealed[to].n, 1); n == told && goesOn(i+1, to+1) {
				return true
			}
			if i == len(said)-1 && !done && begins(&told, &n) {
				return true
			}
		}
	}
	return false
}

// begins reports whether told is n without its highest lanes.
func begins(told, n *ledger.Counts) bool {
	rest := false
	for lane := range n {
		if rest = rest || told[lane] != n[lane]; rest && told[lane] != 0 {
			return false
		}
	}
	return true
}
