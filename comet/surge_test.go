package comet

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/oortim/oort/proto/frame"
)

func TestSurge(t *testing.T) {
	var s surge
	const window = 30
	for range 3 {
		s.turnedAway++
	}
	if s.letIn = 10; s.factor() != 1 {
		t.Errorf("factor %d for a few", s.factor())
	}
	if s.turnedAway = 50; s.factor() != 5 {
		t.Errorf("factor %d within the window, want 5", s.factor())
	}
	s.turn(31, window)
	if s.factor() != 5 || s.turnedAway != 0 {
		t.Errorf("factor %d from the window before, want 5: %+v", s.factor(), s)
	}
	if s.turnedAway = 1 << 20; s.factor() != mostWiden {
		t.Errorf("factor %d, want the most", s.factor())
	}
	if s.turn(200, window); s.factor() != 1 {
		t.Errorf("factor %d long after", s.factor())
	}
}

// More auths at once than a loop may have under way are told to come back, each
// at a time of its own; those under way, and those that live, are not touched.
// Defence: the comparison with Limits.Auths in ask; retry.
func TestThreatAuthStorm(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) { c.Limits.Auths = 4 })
		hold := s.logic.pause()
		var in, out []*peer
		for i := range 44 {
			p := s.dial(web)
			p.login(1, fmt.Sprint("k", i), "live://1")
			if i < 4 {
				in = append(in, p)
				until(t, "it is under way", func() bool { return s.logic.asked() > i+1 })
				continue
			}
			out = append(out, p)
		}
		retries := map[int]bool{}
		for _, p := range out {
			f, err := p.next()
			if err != nil || f.Op != frame.OpDisconnect {
				t.Fatalf("got %v, %v", f.Op, err)
			}
			var told struct {
				Code  int
				Retry int `json:"retry_ms"`
			}
			if err := json.Unmarshal(f.Body, &told); err != nil || told.Code != 3009 || told.Retry < 2000 || told.Retry > 2000+4000*mostWiden {
				t.Fatalf("told %s", f.Body)
			}
			retries[told.Retry] = true
			p.Close()
		}
		if len(retries) < 30 {
			t.Errorf("%d clients were told only %d times to come back", len(out), len(retries))
		}
		s.endedFor(ReasonOverloaded, 40)
		close(hold)
		for _, p := range in {
			p.want(frame.OpAuthReply, 1, "")
		}
	})
}

// However many links are slow, their outboxes together are bounded; what finds
// no place is counted, and told when there is place again.
// Defence: the comparison with Limits.Outboxes in enqueue.
func TestThreatManySlowLinks(t *testing.T) {
	both(t, func(t *testing.T, engine string, web bool) {
		s := besiege(t, engine, func(c *Config) {
			c.Limits.Outboxes, c.Limits.Outbox, c.Limits.Queued = 256<<10, 128<<10, 1<<30
		})
		const links = 6
		var slow []*peer
		for i := range links {
			p := s.cramped(web)
			p.auth(fmt.Sprint("slow", i), fmt.Sprint("pair://", i), 1000, uint32(frame.OpGap))
			slow = append(slow, p)
		}
		body := string(make([]byte, 16<<10))
		pushed := uint64(0)
		for range 400 {
			for i := range links {
				s.pushRoom(fmt.Sprint("pair://", i), 1000, body)
				pushed++
			}
			if s.Ledger()["full"] > 50*links {
				break
			}
		}
		s.undisturbed()
		told, got, rounds := uint64(0), uint64(0), pushed/links+1
		for i, p := range slow {
			s.pushRoom(fmt.Sprint("pair://", i), 1000, "end")
			pushed++
			for mine := uint64(0); mine < rounds; {
				f, err := p.next()
				if err != nil {
					t.Fatal(err)
				}
				if f.Op == 1000 {
					got, mine = got+1, mine+1
					continue
				}
				var g struct {
					Room    string
					Skipped uint64
				}
				if err := json.Unmarshal(f.Body, &g); err != nil || g.Room != fmt.Sprint("pair://", i) {
					t.Fatalf("told %q", f.Body)
				}
				told, mine = told+g.Skipped, mine+g.Skipped
			}
		}
		if told == 0 || told+got != pushed {
			t.Errorf("%d got, %d told, of %d", got, told, pushed)
		}
		until(t, "the ledger adds up", func() bool {
			l := s.Ledger()
			return l["full"]+l["shed"] == told && l["delivered"]+told == pushed+uint64(s.pushes)
		})
	})
}
