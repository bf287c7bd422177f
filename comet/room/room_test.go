package room

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oortim/oort/comet/ledger"
	"github.com/oortim/oort/proto/frame"
	"github.com/oortim/oort/proto/ident"
)

var testRooms = []ident.Room{"live://a", "live://b"}

// drawSet draws accepts over a few ops, so that more than 16 sets come about.
func drawSet(t *rapid.T, w *world, gaps bool) SetID {
	a := Everything
	if rapid.IntRange(0, 3).Draw(t, "all") > 0 {
		a = AcceptsOf(rapid.SliceOfN(rapid.Uint32Range(100, 105), 0, 6).Draw(t, "ops"))
	}
	if gaps {
		a = a.With([]uint32{uint32(frame.OpGap)})
	}
	return w.sets.Intern(a)
}

func drawSpace(t *rapid.T) int {
	if rapid.Bool().Draw(t, "wide") {
		return 1 << 30
	}
	return rapid.IntRange(0, 400).Draw(t, "space")
}

// hour is so long that what writes cost is nothing beside it.
const hour = int64(time.Hour / time.Microsecond)

// TestAgainstModel: whatever sockets take and links do, each link gets whole
// messages in order, what is left out is counted and told, and the ledger adds
// up to the last message.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(Limits{
			Pending: rapid.SampledFrom([]int{200, 4000}).Draw(t, "pending"),
			Waiting: rapid.SampledFrom([]int{600, 1 << 20}).Draw(t, "waiting"),
			Ring:    rapid.SampledFrom([]int{100, 600, 1 << 20}).Draw(t, "ring"),
			Rings:   rapid.SampledFrom([]int{300, 1 << 20}).Draw(t, "rings"),
			Batch:   rapid.SampledFrom([]int{100, 16 << 10}).Draw(t, "batch"),
		}, 40, rapid.SampledFrom([]int64{1, 100, 7000}).Draw(t, "cost"))
		if rapid.Bool().Draw(t, "crowded") { // so that the mixed cohort is met often
			for _, f := range w.links {
				f.gaps = rapid.Bool().Draw(t, "gaps")
				w.join(f, testRooms[0], Encoding(f.id.Slot%2), drawSet(t, w, f.gaps))
			}
		}
		pick := func(t *rapid.T) *fake { return w.links[rapid.IntRange(0, len(w.links)-1).Draw(t, "link")] }
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				f := pick(t)
				if f.in != "" || f.broken {
					return
				}
				if len(f.stays) == 0 {
					f.gaps = rapid.Bool().Draw(t, "gaps")
				}
				enc := rapid.SampledFrom([]Encoding{TCP, WebSocket}).Draw(t, "enc")
				w.join(f, rapid.SampledFrom(testRooms).Draw(t, "room"), enc, drawSet(t, w, f.gaps))
			},
			"leave": func(t *rapid.T) {
				if f := pick(t); f.in != "" {
					w.leave(f, ledger.Left)
				}
			},
			"change": func(t *rapid.T) {
				if f := pick(t); f.in != "" {
					w.change(f, drawSet(t, w, f.gaps))
				}
			},
			"full": func(t *rapid.T) { pick(t).space = drawSpace(t) },
			"writable": func(t *rapid.T) {
				if f := pick(t); f.owed && !f.broken {
					f.space = drawSpace(t)
					w.writable(f)
				}
			},
			"break": func(t *rapid.T) {
				if f := pick(t); rapid.IntRange(0, 9).Draw(t, "dice") == 0 {
					f.broken = true
				}
			},
			"close": func(t *rapid.T) { w.close(pick(t)) },
			"push": func(t *rapid.T) {
				m := &Msg{Op: rapid.Uint32Range(100, 105).Draw(t, "op"), Lane: rapid.Uint8Range(0, ledger.Lanes-1).Draw(t, "lane")}
				if rapid.IntRange(0, 4).Draw(t, "mortal") == 0 {
					m.Expires = w.clock + hour
				}
				if rapid.IntRange(0, 3).Draw(t, "collapses") == 0 {
					m.Collapse = rapid.SampledFrom([]string{"likes", "views"}).Draw(t, "key")
				}
				w.push(rapid.SampledFrom(testRooms).Draw(t, "room"), m, rapid.IntRange(0, 120).Draw(t, "size"))
			},
			"hour":  func(t *rapid.T) { w.clock += 2 * hour },
			"rest":  func(t *rapid.T) { w.clock += 300_000 },
			"flush": func(t *rapid.T) { w.turn() },
			"": func(t *rapid.T) {
				if err := w.sound(); err != nil {
					t.Fatal(err)
				}
			},
		})
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// sound checks what holds at any time.
func (w *world) sound() error {
	lagging, ringed := 0, 0
	for _, r := range w.rooms {
		if r == nil {
			continue
		}
		if r.crowd == nil {
			for _, id := range r.few[:r.members] {
				if m := w.member(id.Slot); m == nil || w.rooms[m.room-1] != r || m.lagging {
					return fmt.Errorf("%s: member %v is %+v", r.name, id, m)
				}
			}
			continue
		}
		members := 0
		for ci, c := range r.crowd.cohorts {
			members += len(c.members)
			lagging += len(c.members) - c.ready
			for _, b := range c.ring {
				ringed += len(b.buf)
			}
			if c.bytes > w.lim.Ring || len(c.ring) > 0 && c.ready == len(c.members) {
				return fmt.Errorf("%s: ring of %d bytes for %d members, %d ready", r.name, c.bytes, len(c.members), c.ready)
			}
			if c.todo > c.ready || (c.todo > 0) != (c.current != nil || c.mixed && c.todo > 0) || c.todo > 0 && r.crowd.sealed == nil {
				return fmt.Errorf("%s: %d due, %d ready, block %v", r.name, c.todo, c.ready, c.current)
			}
			for i, id := range c.members {
				if m := w.member(id.Slot); m == nil || int(m.pos) != i || int(m.cohort) != ci || m.lagging != (i >= c.ready) {
					return fmt.Errorf("%s: member %v at %d is %+v", r.name, id, i, m)
				}
			}
		}
		if members != int(r.members) || members == 0 {
			return fmt.Errorf("%s: %d members counted, %d found", r.name, r.members, members)
		}
	}
	if lagging != len(w.lags) || ringed != w.ringed || ringed > w.lim.Rings {
		return fmt.Errorf("%d lag of %d; rings hold %d of %d bytes", lagging, len(w.lags), ringed, w.ringed)
	}
	for _, f := range w.links {
		said, err := f.listen(false)
		if err != nil {
			return fmt.Errorf("link %v: %v", f.id, err)
		}
		if !f.explains(said, false) {
			return fmt.Errorf("link %v heard %+v of %+v", f.id, said, f.stays)
		}
	}
	return nil
}

// end lets every link that lives take all it is owed, then closes all, and
// checks that nothing is left and nothing uncounted.
func (w *world) end() error {
	w.settle()
	// Each has been let go of by the table once, and by nobody else so far.
	for watch, over := range w.watch {
		early := *over
		if watch.Release(); early || !*over {
			return fmt.Errorf("a message is let go of twice: %v, never: %v", early, !*over)
		}
	}
	for _, f := range w.links {
		for f.space = 1 << 30; f.owed && !f.broken; {
			w.writable(f)
		}
		said, err := f.listen(!f.broken)
		if err != nil {
			return fmt.Errorf("link %v: %v", f.id, err)
		}
		if !f.explains(said, !f.broken && f.in != "") {
			return fmt.Errorf("in the end link %v heard %+v of %+v", f.id, said, f.stays)
		}
	}
	for _, f := range w.links {
		w.close(f)
	}
	counted := w.direct
	for o := range w.Stats().Ends {
		counted.Add(&w.Stats().Ends[o], 1)
	}
	if counted != w.concerned {
		return fmt.Errorf("%v messages × links, %v counted: %+v and %v by the owner", w.concerned, counted, w.Stats(), w.direct)
	}
	for trace, want := range w.traces {
		ends, _ := trace.Ended()
		got := uint32(0)
		for _, n := range ends {
			got += n
		}
		if got != want {
			return fmt.Errorf("a message ended for %d links, want %d: %v", got, want, ends)
		}
	}
	w.settle()
	if n := w.Rooms() + len(w.byName) + len(w.lags) + w.ringed + w.waiting + w.ledgers; n != 0 {
		return fmt.Errorf("%d rooms, %d lags, %d bytes in rings, %d in queues are left", len(w.byName), len(w.lags), w.ringed, w.waiting)
	}
	for _, r := range w.rooms {
		if r != nil {
			return fmt.Errorf("room %s is left", r.name)
		}
	}
	if n := w.sets.table.Len(); n != 0 {
		return fmt.Errorf("%d sets are left", n)
	}
	return nil
}

// settle turns the loop until nothing waits for a flush.
func (w *world) settle() {
	for wait := w.turn(); wait >= 0; wait = w.turn() {
		w.clock += int64(wait / time.Microsecond)
	}
}
