package comet

import (
	"fmt"
	"testing"
	"time"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// openMending opens a comet that renews often, with a logic that compares.
func openMending(t *testing.T, engine string) *rig {
	l := newTableLogic()
	l.compares = true
	return openWith(t, engine, l, func(c *Config) { c.Times.Renew = 10 * time.Millisecond })
}

// whole reports whether logic has exactly the sessions that are live.
func (r *rig) whole() bool {
	own := r.digests()
	r.logic.mu.Lock()
	defer r.logic.mu.Unlock()
	return own == *r.logic.digestsLocked()
}

// Sessions that logic lost come back with their epochs, however many slots the
// loops have; links that come and go meanwhile do no harm.
func TestMendLoss(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		const n = 300
		for i := range n {
			r.dial(i%2 == 0).auth(fmt.Sprint("k", i), "")
		}
		until(t, "all are known", func() bool { return r.logic.online() == n && r.whole() })
		epoch := r.logic.epochOf("k7")
		r.logic.mu.Lock()
		clear(r.logic.sessions)
		clear(r.logic.epochs)
		r.logic.mu.Unlock()
		late := r.dial(false)
		late.send(7, 1, `{"key":"late","platform":"tv"}`)
		late.want(8, 1, "")
		r.logic.mu.Lock()
		delete(r.logic.sessions, "late")
		r.logic.mu.Unlock()
		until(t, "all are known again", func() bool { return r.logic.online() == n+1 && r.whole() })
		if got := r.logic.epochOf("k7"); got != epoch {
			t.Errorf("epoch %d, want %d", got, epoch)
		}
		r.logic.mu.Lock()
		if tv, none := r.logic.restored["late"], r.logic.restored["k7"]; tv != "tv" || none != "" {
			t.Errorf("platforms %q and %q", tv, none)
		}
		r.logic.mu.Unlock()
		late.Close()
		until(t, "one has gone", func() bool { return r.logic.online() == n && r.whole() })
	})
}

// Platforms come back; more of them than are remembered are unknown.
func TestPlatforms(t *testing.T) {
	var p platforms
	for i := range 2 * mostPlatforms {
		want := fmt.Sprint("p", i%(mostPlatforms+5))
		got := p.name(p.number(want))
		if i%(mostPlatforms+5) >= mostPlatforms {
			want = ""
		}
		if got != want {
			t.Fatalf("%d: %q, want %q", i, got, want)
		}
	}
	if p.number("") != 0 || p.name(0) != "" {
		t.Error("the unknown has a name")
	}
}

// Where one session was missing everything is written again, since more may be
// lost than digests show; but not where there was one too many.
func TestMendAllAfterLoss(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		const n = 40
		for i := range n {
			r.dial(false).auth(fmt.Sprint("k", i), "")
		}
		least := func() int {
			r.logic.mu.Lock()
			defer r.logic.mu.Unlock()
			least := 1 << 30
			for i := range n {
				least = min(least, r.logic.mended[ident.Key(fmt.Sprint("k", i))])
			}
			return least
		}
		until(t, "all are known", func() bool { return r.logic.online() == n && r.whole() })
		r.logic.mu.Lock()
		r.logic.sessions["ghost"], r.logic.epochs["ghost"] = Connect{Link: 12345}, 1
		r.logic.mu.Unlock()
		until(t, "the ghost is gone", func() bool { return r.logic.online() == n })
		if got := least(); got != 0 {
			t.Errorf("a ghost had everything written again, %d times", got)
		}
		r.logic.mu.Lock()
		delete(r.logic.sessions, "k3")
		r.logic.mu.Unlock()
		until(t, "all are written again", func() bool { return least() > 0 })
	})
}

// A session without a link is given back; that of a link whose answer is on
// its way is not.
func TestMendGhost(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		r.dial(false).auth("a", "")
		held := r.logic.pauseAnswers()
		asking := r.dial(false)
		asking.send(7, 1, `{"key":"b"}`)
		until(t, "b has a session", func() bool { return r.logic.epochOf("b") != 0 })
		r.logic.mu.Lock()
		for i, k := range []ident.Key{"ghost", "elsewhere"} { // one names a loop that there is not
			r.logic.sessions[k], r.logic.epochs[k] = Connect{Link: uint64(i)<<(linkBits+8) + 12345}, 1
		}
		r.logic.mu.Unlock()
		until(t, "the ghost is gone", func() bool { return r.logic.online() == 3 })
		before := r.mender.buckets.Load()
		until(t, "b was looked at often", func() bool { return r.mender.buckets.Load() > before+5 })
		if r.logic.online() != 3 {
			t.Error("a session was given back whose link waits for the answer")
		}
		close(held)
		r.logic.answerAtOnce()
		asking.want(8, 1, "")
		r.logic.mu.Lock()
		delete(r.logic.sessions, "elsewhere")
		r.logic.mu.Unlock()
		until(t, "all is well", func() bool { return r.logic.online() == 2 && r.whole() })
	})
}

// A link that lost its key and was never told is closed.
func TestMendLost(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		p := r.dial(true)
		p.auth("a", "")
		r.logic.mu.Lock()
		delete(r.logic.sessions, "a") // it is another comet's now
		r.logic.epochs["a"] += 10
		r.logic.mu.Unlock()
		p.wantEnd(ReasonReplaced)
	})
}

// Two links of one key, the second of which puts the first out, leave the
// digest of one.
func TestDigestOfReplaced(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		r := openMending(t, engine)
		first := r.dial(false)
		first.auth("a", "")
		second := r.dial(false)
		second.auth("a", "")
		first.wantEnd(ReasonReplaced)
		until(t, "one is left", func() bool { return r.whole() })
		second.Close()
		until(t, "none is left", func() bool { return r.digests() == roster.Digests{} })
	})
}
