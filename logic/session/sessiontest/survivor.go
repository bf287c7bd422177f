package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// survivor checks, for random interleavings of logins, repeated logins, kicks
// and goodbyes of several comets, that of all links that want a key exactly
// one survives: the one with the highest epoch. The others are told that they
// lost, whatever the order in which their goodbyes arrive, and how often.
func survivor(t *testing.T, b Backend) {
	store := b.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		prefix := newPrefix()
		m := &world{rt: rt, store: store, links: map[uint64]*link{}}
		for i := range 3 {
			m.keys = append(m.keys, prefix+ident.Key(fmt.Sprint("k", i)))
		}
		before := w0(rt, store)
		rt.Repeat(map[string]func(*rapid.T){
			"restore": m.restore,
			"login":   m.login,
			"repeat":  m.repeat,
			"close":   m.close,
			"goodbye": m.goodbye,
			"":        func(*rapid.T) {},
		})
		m.settle()
		m.check()
		m.checkDigests(before)
	})
}

// survivors are the comets of the world.
var survivors = []ident.Server{"c1@1", "c2@1", "c2@2"}

// w0 reads the digests of all comets, to which other tests have contributed.
func w0(rt *rapid.T, store logic.Store) map[ident.Server]roster.Digests {
	all := map[ident.Server]roster.Digests{}
	for _, server := range survivors {
		d, err := store.Digests(context.Background(), server)
		if err != nil {
			rt.Fatal(err)
		}
		all[server] = *d
	}
	return all
}

// world is several comets, seen from above.
type world struct {
	rt    *rapid.T
	store logic.Store
	keys  []ident.Key
	last  uint64
	links map[uint64]*link
	late  []logic.Session // goodbyes on their way
}

// link is a link as its comet knows it.
type link struct {
	logic.Session
	open bool
}

func (w *world) login(rt *rapid.T) {
	w.last++
	l := &link{open: true, Session: logic.Session{
		Key: rapid.SampledFrom(w.keys).Draw(rt, "key"), Mid: 1, Link: w.last,
		Server: rapid.SampledFrom(survivors).Draw(rt, "server"),
	}}
	w.links[w.last] = l
	w.connect(l)
}

// connect sends a login, and closes the loser as its comet will when told.
func (w *world) connect(l *link) {
	r := w.store.Connect(context.Background(), []logic.Login{{Key: l.Key, Mid: l.Mid, Server: l.Server, Link: l.Link}})[0]
	if r.Err != nil {
		w.rt.Fatal(r.Err)
	}
	if r.Refused {
		if l.open {
			w.rt.Fatalf("an open link was refused: %+v", l)
		}
		return
	}
	if l.Epoch != 0 && l.open && l.Epoch != r.Epoch {
		w.rt.Fatalf("repeated login of %+v got epoch %d", l.Session, r.Epoch)
	}
	l.Epoch = r.Epoch
	if loser := w.links[r.Loser.Link]; r.Loser.Present() && loser.open {
		if loser.Epoch >= r.Epoch {
			w.rt.Fatalf("%+v lost to a lower epoch %d", loser.Session, r.Epoch)
		}
		w.shut(loser)
	}
}

// shut closes a link; its goodbye is on its way from then on.
func (w *world) shut(l *link) {
	l.open = false
	w.late = append(w.late, l.Session)
}

func (w *world) pick(rt *rapid.T, open bool) *link {
	var some []uint64
	for n := uint64(1); n <= w.last; n++ {
		if w.links[n].open == open {
			some = append(some, n)
		}
	}
	if len(some) == 0 {
		rt.Skip("rapid draws another step: this one needs a link in such a state, and there is none yet")
	}
	return w.links[rapid.SampledFrom(some).Draw(rt, "link")]
}

// repeat logs an open link in again, as after a broken stream.
func (w *world) repeat(rt *rapid.T) { w.connect(w.pick(rt, true)) }

// restore has an open link, or one whose goodbye is on its way, restored, as
// from a list that a comet made a moment ago.
func (w *world) restore(rt *rapid.T) {
	var some []*link
	for n := uint64(1); n <= w.last; n++ {
		if l := w.links[n]; l.Epoch != 0 && (l.open || slices.Contains(w.late, l.Session)) {
			some = append(some, l)
		}
	}
	if len(some) == 0 {
		rt.Skip("rapid draws another step: this one needs a link in such a state, and there is none yet")
	}
	l := rapid.SampledFrom(some).Draw(rt, "restored")
	r := w.store.Restore(context.Background(), []logic.Session{l.Session})[0]
	loser := w.links[r.Loser.Link]
	switch {
	case r.Err != nil:
		rt.Fatal(r.Err)
	case r.Lost && l.open:
		rt.Fatalf("%+v lost, but nobody has its key after it", l.Session)
	case r.Loser.Present() && loser.open:
		rt.Fatalf("%+v was replaced by a link that is not later, %+v", loser.Session, l.Session)
	}
}

// checkDigests compares the digests with what is stored under the world's keys.
func (w *world) checkDigests(want map[ident.Server]roster.Digests) {
	stored, err := w.store.ByKeys(context.Background(), w.keys)
	if err != nil {
		w.rt.Fatal(err)
	}
	for _, s := range stored {
		if s.Present() {
			d := want[s.Server]
			d[roster.Bucket(s.Key)] ^= roster.Hash(s.Key, s.Mid, s.Link, s.Epoch)
			want[s.Server] = d
		}
	}
	for server, got := range w0(w.rt, w.store) {
		if got != want[server] {
			w.rt.Fatalf("digests of %s do not tell what is stored: %+v", server, stored)
		}
	}
}

func (w *world) close(rt *rapid.T) { w.shut(w.pick(rt, true)) }

// goodbye delivers any goodbye that is on its way, and perhaps once more later.
func (w *world) goodbye(rt *rapid.T) {
	if len(w.late) == 0 {
		rt.Skip("rapid draws another step: this one needs a goodbye on its way, and there is none yet")
	}
	i := rapid.IntRange(0, len(w.late)-1).Draw(rt, "goodbye")
	w.deliver(w.late[i])
	if rapid.Bool().Draw(rt, "only once") {
		w.late = append(w.late[:i:i], w.late[i+1:]...)
	}
}

func (w *world) deliver(s logic.Session) {
	if err := w.store.Disconnect(context.Background(), []logic.Session{s})[0]; err != nil {
		w.rt.Fatal(err)
	}
}

// settle delivers what is on its way.
func (w *world) settle() {
	for _, s := range w.late {
		w.deliver(s)
	}
	w.late = nil
}

// check compares the store with the links that are open.
func (w *world) check() {
	open := map[ident.Key]logic.Session{}
	for _, l := range w.links {
		if !l.open {
			continue
		}
		if other, two := open[l.Key]; two {
			w.rt.Fatalf("two links of a key survive: %+v and %+v", other, l.Session)
		}
		open[l.Key] = l.Session
	}
	stored, err := w.store.ByKeys(context.Background(), w.keys)
	if err != nil {
		w.rt.Fatal(err)
	}
	for i, key := range w.keys {
		if stored[i].Present() != open[key].Present() || stored[i].Present() && stored[i] != open[key] {
			w.rt.Fatalf("%s is %+v in the store, %+v at its comet", key, stored[i], open[key])
		}
	}
}
