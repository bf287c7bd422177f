package room

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

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

// TestAgainstModel: whatever sockets take and links do, each link gets whole
// messages in order, what is left out is counted and told, and the ledger adds
// up to the last message.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(Limits{
			Pending: rapid.SampledFrom([]int{200, 4000}).Draw(t, "pending"),
			Ring:    rapid.SampledFrom([]int{100, 600, 1 << 20}).Draw(t, "ring"),
			Rings:   rapid.SampledFrom([]int{300, 1 << 20}).Draw(t, "rings"),
			Batch:   rapid.SampledFrom([]int{100, 16 << 10}).Draw(t, "batch"),
		}, 40)
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
					t.Skip("in a room")
				}
				if len(f.stays) == 0 {
					f.gaps = rapid.Bool().Draw(t, "gaps")
				}
				enc := rapid.SampledFrom([]Encoding{TCP, WebSocket}).Draw(t, "enc")
				w.join(f, rapid.SampledFrom(testRooms).Draw(t, "room"), enc, drawSet(t, w, f.gaps))
			},
			"leave": func(t *rapid.T) {
				if f := pick(t); f.in != "" {
					w.leave(f, OwedLeft)
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
				expires := int64(0)
				if rapid.IntRange(0, 4).Draw(t, "mortal") == 0 {
					expires = w.clock + 1
				}
				w.push(rapid.SampledFrom(testRooms).Draw(t, "room"), rapid.Uint32Range(100, 105).Draw(t, "op"),
					rapid.IntRange(0, 120).Draw(t, "size"), expires)
			},
			"time":  func(t *rapid.T) { w.clock++ },
			"flush": func(t *rapid.T) { w.flushAll() },
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
		members := 0
		for ci, c := range r.cohorts {
			members += len(c.members)
			lagging += len(c.members) - c.ready
			for _, b := range c.ring {
				ringed += len(b.buf)
			}
			if c.bytes > w.lim.Ring || len(c.ring) > 0 && c.ready == len(c.members) {
				return fmt.Errorf("%s: ring of %d bytes for %d members, %d ready", r.name, c.bytes, len(c.members), c.ready)
			}
			for i, id := range c.members {
				if m := w.member(id.Slot); m == nil || int(m.pos) != i || int(m.cohort) != ci || m.lagging != (i >= c.ready) {
					return fmt.Errorf("%s: member %v at %d is %+v", r.name, id, i, m)
				}
			}
		}
		if members != r.members || members == 0 {
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
	w.flushAll()
	got := uint64(0)
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
		_ = got
	}
	for _, f := range w.links {
		w.close(f)
	}
	s := w.Stats()
	if sum := s.Delivered + s.Slow + s.Shed + s.Expired + s.Closed + s.Left + w.direct; sum != w.concerned {
		return fmt.Errorf("%d messages × links, %d counted: %+v and %d by the owner", w.concerned, sum, s, w.direct)
	}
	if n := w.Rooms() + len(w.byName) + len(w.lags) + w.ringed; n != 0 {
		return fmt.Errorf("%d rooms, %d lags, %d bytes are left", len(w.byName), len(w.lags), w.ringed)
	}
	for _, r := range w.rooms {
		if r != nil {
			return fmt.Errorf("room %s is left", r.name)
		}
	}
	if n := len(w.sets.byPrint); n != 0 {
		return fmt.Errorf("%d sets are left", n)
	}
	return nil
}
