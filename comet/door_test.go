package comet

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// strict turns away whose body says so.
type strict struct{}

func (strict) Refuse(c *Connect) (Connected, bool) {
	if !bytes.Contains(c.Body, []byte("bad")) {
		return Connected{}, false
	}
	return Connected{Status: StatusDenied, Message: "denied", Retry: 40 * time.Millisecond}, true
}

// Who is turned away at the door is told what logic would have told, and logic
// hears of none; those beside them in the same batch are let in.
func TestDoor(t *testing.T) {
	both(t, func(t *testing.T, engine string, ws bool) {
		r := open(t, engine, func(c *Config) { c.Door = strict{} })
		const n = 20
		var good, bad []*peer
		for i := range n {
			g, b := r.dial(ws), r.dial(ws)
			g.login(1, fmt.Sprint("good", i), "live://1")
			b.login(1, fmt.Sprint("bad", i), "live://1")
			good, bad = append(good, g), append(bad, b)
		}
		for i := range n {
			good[i].want(8, 1, "")
			bad[i].wantEnd(ReasonAuthDenied)
		}
		if asked := r.logic.asked(); asked != n {
			t.Errorf("logic was asked for %d links, want %d", asked, n)
		}
		var refused uint64
		for _, m := range r.meters {
			refused += m.refused[StatusDenied].Load()
		}
		if refused != n {
			t.Errorf("%d counted as refused, want %d", refused, n)
		}
		until(t, "all are counted as closed", func() bool { return r.closedFor(ReasonAuthDenied) == n })
	})
}
