package check_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oortim/oort/bench/chaos/check"
	"github.com/oortim/oort/bench/chaos/history"
)

const s = time.Second

// made is a history in which nothing is wrong: key a stays in live://1 on comet-1,
// key b moves to live://2 at 10 s, on comet-2, and key c leaves at 20 s.
func made() *history.Run {
	return &history.Run{
		Deadline: 10 * s, Ended: 60 * s,
		Links: []history.Link{
			{Key: "a", Mid: 1, Comet: "comet-1", Joined: 1 * s, Closed: 60 * s, Stayed: true, Stays: []history.Stay{
				{Room: "live://1", Asked: 0, Joined: 1 * s, Leaving: 60 * s, Left: 60 * s, Stayed: true},
			}},
			{Key: "b", Mid: 1, Comet: "comet-2", Joined: 1 * s, Closed: 60 * s, Stayed: true, Stays: []history.Stay{
				{Room: "live://1", Asked: 0, Joined: 1 * s, Leaving: 10 * s, Left: 11 * s},
				{Room: "live://2", Asked: 10 * s, Joined: 11 * s, Leaving: 60 * s, Left: 60 * s, Stayed: true},
			}},
			{Key: "c", Mid: 2, Comet: "comet-2", Joined: 1 * s, Closed: 20 * s, Why: "closed", Stays: []history.Stay{
				{Room: "live://1", Asked: 0, Joined: 1 * s, Leaving: 20 * s, Left: 20 * s},
			}},
		},
	}
}

// push adds a push at t by pusher 0 and has links see it half a second later.
func push(r *history.Run, t time.Duration, p history.Push, seen ...int) *history.Push {
	p.ID = uint32(len(r.Pushes))
	p.Begun, p.Ended = t, t+s/10
	p.Tries = []history.Try{{Logic: "logic-1", Begun: p.Begun, Ended: p.Ended, Said: p.Answer.String()}}
	r.Pushes = append(r.Pushes, p)
	for _, l := range seen {
		see(r, l, p.ID, t+s/2)
	}
	return &r.Pushes[p.ID]
}

func see(r *history.Run, link int, id uint32, at time.Duration) {
	r.Links[link].Got = append(r.Links[link].Got, history.Receipt{Push: id, At: at})
}

var (
	room1 = history.Push{Kind: history.Room, Room: "live://1"}
	room2 = history.Push{Kind: history.Room, Room: "live://2"}
	keyA  = history.Push{Kind: history.Keys, Keys: []string{"a"}}
	keyC  = history.Push{Kind: history.Keys, Keys: []string{"c"}}
	mid1  = history.Push{Kind: history.Mids, Mids: []int64{1}}
	all   = history.Push{Kind: history.All}
)

func answered(p history.Push, a history.Answer) history.Push { p.Answer = a; return p }
func absent(p history.Push, keys ...string) history.Push     { p.Absent = keys; return p }
func stored(p history.Push, id string) history.Push          { p.Message = id; return p }
func found(p history.Push, keys int) history.Push            { p.Accepted = keys; return p }
func by(p history.Push, pusher int) history.Push             { p.Pusher = pusher; return p }

// Each rule has histories that break it and the nearest ones that do not.
func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(*history.Run)
		want []check.Rule
	}{
		{"nothing happened", func(*history.Run) {}, nil},
		{"all is well", func(r *history.Run) {
			push(r, 2*s, room1, 0, 1, 2)
			push(r, 12*s, room2, 1)
			push(r, 13*s, room1, 0, 2)
			push(r, 14*s, keyA, 0)
			push(r, 15*s, mid1, 0, 1)
			push(r, 16*s, all, 0, 1, 2)
		}, nil},

		{"a room push is lost", func(r *history.Run) { push(r, 12*s, room1, 2) }, []check.Rule{check.Missing}},
		{"a key push is lost", func(r *history.Run) { push(r, 2*s, keyA) }, []check.Rule{check.Missing}},
		{"a mid push reaches one of two", func(r *history.Run) { push(r, 2*s, mid1, 0) }, []check.Rule{check.Missing}},
		{"a push to all is lost by one", func(r *history.Run) { push(r, 2*s, all, 1, 2) }, []check.Rule{check.Missing}},
		{"lost before the join was answered", func(r *history.Run) { push(r, s/2, keyA) }, nil},
		{"lost to one who left soon after", func(r *history.Run) { push(r, 19*s, keyC) }, nil},
		{"lost to one who left, and saw a later one", func(r *history.Run) {
			push(r, 12*s, keyC)
			push(r, 13*s, keyC, 2)
		}, []check.Rule{check.Missing}},
		{"lost to one who left, and saw a later one of another pusher", func(r *history.Run) {
			push(r, 12*s, keyC)
			push(r, 13*s, by(keyC, 1), 2)
		}, nil},
		{"lost in a room that was left, with a later one seen there", func(r *history.Run) {
			push(r, 8*s, room1, 0, 2)
			push(r, 9*s, room1, 0, 1, 2)
		}, []check.Rule{check.Missing}},
		{"lost in the old room after the change began", func(r *history.Run) { push(r, 10*s+1, room1, 0, 2) }, nil},
		{"unknown and lost", func(r *history.Run) { push(r, 2*s, answered(room1, history.Unknown)) }, nil},
		{"unknown and seen by some", func(r *history.Run) { push(r, 2*s, answered(room1, history.Unknown), 0) }, nil},
		{"lost, and counted by its comet as slow", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 1, From: 40 * s, To: 41 * s}}
		}, nil},
		{"two lost, and one counted", func(r *history.Run) {
			push(r, 12*s, keyA)
			push(r, 13*s, keyA)
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 1, From: 40 * s, To: 41 * s}}
		}, []check.Rule{check.Missing}},
		{"lost by one who was named twice, and counted", func(r *history.Run) {
			push(r, 12*s, history.Push{Kind: history.Keys, Keys: []string{"a", "a"}})
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 1, From: 12 * s, To: 13 * s}}
		}, nil},
		{"lost, and counted before it was made", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 1, From: 4 * s, To: 5 * s}}
		}, []check.Rule{check.Missing}},
		{"lost, and counted by another comet", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Ledger = []history.Dropped{{Part: "comet-2", Reason: "slow", Count: 5, From: 12 * s, To: 13 * s}}
		}, []check.Rule{check.Missing}},
		{"lost, and counted by its comet as shed", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "shed", Count: 1, From: 12 * s, To: 13 * s}}
		}, nil},
		{"lost, and counted by its comet for one who left", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "left", Count: 1, From: 12 * s, To: 13 * s}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says closed where the comet was cut off", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "closed"}}
			r.Events = []history.Event{{Part: "comet-1", What: "refuse", From: 12 * s, To: 14 * s}}
		}, nil},
		{"lost, and a job says so", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "slow"}}
		}, nil},
		{"lost, and a job says so of all", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"))
			r.Drops = []history.Drop{{Message: "m", Reason: "expired"}}
		}, nil},
		{"lost, and a job says so of another message", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "n", Comet: "comet-1", Reason: "slow"}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says so of another comet", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-2", Reason: "slow"}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says so of another key", func(r *history.Run) {
			push(r, 12*s, stored(keyA, "m"))
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Keys: []string{"b", "c"}, Reason: "slow"}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says so of the key", func(r *history.Run) {
			push(r, 12*s, stored(keyA, "m"))
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Keys: []string{"b", "a"}, Reason: "moved"}}
		}, nil},
		{"lost, and a job says so of what the comet was before", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Events = []history.Event{{Part: "comet-1", What: history.Kill, From: s / 4, To: s / 2}}
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 8, Reason: "closed"}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says so of what the comet became", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: 2 * s, Reason: "slow"}}
		}, []check.Rule{check.Missing}},
		{"lost, and a job says closed where nothing happened", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "closed"}}
		}, []check.Rule{check.Missing}},
		{"lost under no known id", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Drops = []history.Drop{{Comet: "comet-1", Since: s / 2, Reason: "invalid"}}
		}, []check.Rule{check.Missing}},
		{"a gap marker tells of it", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			r.Links[0].Gaps = []history.Gap{{Room: "live://1", Skipped: 1, At: 13 * s}}
		}, nil},
		{"a gap marker tells of what was lost before", func(r *history.Run) {
			push(r, 14*s, room1, 2)
			r.Links[0].Gaps = []history.Gap{{Room: "live://1", Skipped: 1, At: 13 * s}}
		}, []check.Rule{check.Missing}},
		{"a gap marker tells of it, and its comet's count is for that", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, keyA)
			r.Links[0].Gaps = []history.Gap{{Room: "live://1", Skipped: 1, At: 13 * s}}
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 1, From: 12 * s, To: 14 * s}}
		}, []check.Rule{check.Missing}},
		{"a gap marker tells of one of two, and the count of both", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, keyA)
			r.Links[0].Gaps = []history.Gap{{Room: "live://1", Skipped: 1, At: 13 * s}}
			r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 2, From: 12 * s, To: 14 * s}}
		}, nil},
		{"lost, and a job calls it invalid", func(r *history.Run) {
			push(r, 12*s, stored(room1, "m"), 2)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "invalid"}}
		}, []check.Rule{check.Missing}},
		{"a gap marker tells of fewer", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, room1, 2)
			r.Links[0].Gaps = []history.Gap{{Room: "live://1", Skipped: 1, At: 13 * s}}
		}, []check.Rule{check.Missing}},

		{"seen twice", func(r *history.Run) { push(r, 2*s, keyA, 0, 0) }, []check.Rule{check.Double}},
		{"unknown and seen twice", func(r *history.Run) { push(r, 2*s, answered(keyA, history.Unknown), 0, 0) }, []check.Rule{check.Double}},
		{"seen by two links of a mid", func(r *history.Run) { push(r, 2*s, mid1, 0, 1) }, nil},

		{"overtaken in a room", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, room1, 0, 2)
			see(r, 0, 0, 14*s)
		}, []check.Rule{check.Order}},
		{"overtaken among direct pushes, by key and by mid", func(r *history.Run) {
			push(r, 12*s, keyA)
			push(r, 13*s, mid1, 0, 1)
			see(r, 0, 0, 14*s)
		}, []check.Rule{check.Order}},
		{"overtaken by another pusher's", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, by(room1, 1), 0, 2)
			see(r, 0, 0, 14*s)
		}, nil},
		{"overtaken by a direct one", func(r *history.Run) {
			push(r, 12*s, room1, 2)
			push(r, 13*s, keyA, 0)
			see(r, 0, 0, 14*s)
		}, nil},
		{"overtaken, but never acknowledged", func(r *history.Run) {
			push(r, 12*s, answered(room1, history.Unknown), 2)
			push(r, 13*s, room1, 0, 2)
			see(r, 0, 0, 14*s)
		}, nil},

		{"not stored, and seen", func(r *history.Run) { push(r, 2*s, answered(keyA, history.NotStored), 0) }, []check.Rule{check.Ghost}},
		{"not stored, and not seen", func(r *history.Run) { push(r, 2*s, answered(keyA, history.NotStored)) }, nil},

		{"another's key", func(r *history.Run) { push(r, 2*s, keyA, 0, 1) }, []check.Rule{check.Stranger}},
		{"another's mid", func(r *history.Run) { push(r, 2*s, mid1, 0, 1, 2) }, []check.Rule{check.Stranger}},
		{"a room that was left", func(r *history.Run) { push(r, 12*s, room1, 0, 1, 2) }, []check.Rule{check.Stranger}},
		{"a room that is being left", func(r *history.Run) { push(r, 10*s+1, room1, 0, 1, 2) }, nil},
		{"nobody's push", func(r *history.Run) { see(r, 0, 7, s) }, []check.Rule{check.Stranger}},

		{"absent though there", func(r *history.Run) { push(r, 2*s, absent(keyA, "a")) }, []check.Rule{check.Absent}},
		{"a mid absent though there", func(r *history.Run) {
			p := mid1
			p.AbsentMids = []int64{1}
			push(r, 2*s, p)
		}, []check.Rule{check.Absent, check.Absent}},
		{"absent, and reached all the same", func(r *history.Run) { push(r, 2*s, absent(keyA, "a"), 0) }, []check.Rule{check.Absent}},
		{"absent at the second try, and reached by the first", func(r *history.Run) {
			p := push(r, 2*s, absent(keyA, "a"), 0)
			p.Tries = append(p.Tries, p.Tries[0])
		}, nil},
		{"absent before it joined", func(r *history.Run) { push(r, s/2, absent(keyA, "a")) }, nil},
		{"absent since Redis forgot", func(r *history.Run) {
			push(r, 5*s, absent(keyA, "a"))
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, nil},
		{"absent long after Redis forgot", func(r *history.Run) {
			push(r, 20*s, absent(keyA, "a"))
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, []check.Rule{check.Absent}},
		{"absent long after Redis forgot, which nobody could mend", func(r *history.Run) {
			push(r, 20*s, absent(keyA, "a"))
			r.Events = []history.Event{
				{Part: "logic-2", What: "pause", From: 6 * s, To: 8 * s}, {Part: "redis", What: "wipe", From: 4 * s, To: 4 * s},
			}
		}, nil},
		{"absent long after Redis forgot, while others were in trouble", func(r *history.Run) {
			push(r, 20*s, absent(keyA, "a"))
			r.Events = []history.Event{
				{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}, {Part: "comet-2", What: "pause", From: 6 * s, To: 8 * s},
			}
		}, []check.Rule{check.Absent}},
		{"absent, and Redis had forgotten before it came", func(r *history.Run) {
			late := &r.Links[1]
			late.Joined, late.Stays[0].Asked, late.Stays[0].Joined = 5*s, 5*s, 5*s
			push(r, 6*s, absent(history.Push{Kind: history.Keys, Keys: []string{"b"}}, "b"))
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, []check.Rule{check.Absent}},
		{"one of a mid not found since Redis forgot", func(r *history.Run) {
			push(r, 5*s, found(mid1, 1), 0)
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, nil},
		{"one of a mid found after Redis forgot, and not reached", func(r *history.Run) {
			push(r, 5*s, found(mid1, 2), 0)
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, []check.Rule{check.Missing}},
		{"one of a mid not found since Redis forgot, and dropped for the other", func(r *history.Run) {
			push(r, 5*s, stored(found(mid1, 1), "m"))
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "moved", Keys: []string{"a"}}}
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, nil},
		{"two of a mid found after Redis forgot, and dropped for one", func(r *history.Run) {
			push(r, 5*s, stored(found(mid1, 2), "m"))
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "moved", Keys: []string{"a"}}}
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, []check.Rule{check.Missing}},
		{"one of a mid not found since Redis forgot, and dropped for the other, which saw it", func(r *history.Run) {
			push(r, 5*s, stored(found(mid1, 2), "m"), 0)
			r.Drops = []history.Drop{{Message: "m", Comet: "comet-1", Since: s / 2, Reason: "moved", Keys: []string{"a"}}}
			r.Events = []history.Event{{Part: "redis", What: "wipe", From: 4 * s, To: 4 * s}}
		}, []check.Rule{check.Missing}},
		{"one of a mid not found", func(r *history.Run) { push(r, 5*s, found(mid1, 1), 0) }, []check.Rule{check.Missing}},
		{"absent since its comet was paused", func(r *history.Run) {
			push(r, 25*s, absent(keyA, "a"))
			r.Events = []history.Event{{Part: "comet-1", What: "pause", From: 4 * s, To: 24 * s}}
		}, nil},
		{"absent while another comet was paused", func(r *history.Run) {
			push(r, 25*s, absent(keyA, "a"))
			r.Events = []history.Event{{Part: "comet-2", What: "pause", From: 4 * s, To: 24 * s}}
		}, []check.Rule{check.Absent}},

		{"late", func(r *history.Run) { push(r, 2*s, keyA, 0).Tries[0].Ended = 13 * s }, []check.Rule{check.Late}},
		{"late, from a logic that was paused", func(r *history.Run) {
			push(r, 2*s, keyA, 0).Tries[0].Ended = 13 * s
			r.Events = []history.Event{{Part: "logic-1", What: "pause", From: 1 * s, To: 4 * s}}
		}, nil},
		{"just in time", func(r *history.Run) { push(r, 2*s, keyA, 0).Tries[0].Ended = 12 * s }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := made()
			tc.make(r)
			var got []check.Rule
			for _, v := range check.Run(r).Violations {
				got = append(got, v.Rule)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// Whatever is left out of a run in which all is well is found, and nothing else.
func TestFindsEachLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := made()
		kinds := []history.Push{room1, keyA, mid1, all}
		seers := [][]int{{0}, {0}, {0, 1}, {0, 1}}
		var lost []check.Violation
		for i := range rapid.IntRange(1, 30).Draw(t, "pushes") {
			k := rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")
			var seen []int
			for _, l := range seers[k] {
				if rapid.IntRange(0, 9).Draw(t, "luck") > 0 {
					seen = append(seen, l)
				} else {
					lost = append(lost, check.Violation{Rule: check.Missing, Push: i, Link: l})
				}
			}
			push(r, 21*s+time.Duration(i)*s, kinds[k], seen...)
		}
		got := check.Run(r).Violations
		for i := range got {
			got[i].Detail = ""
		}
		if len(got)+len(lost) > 0 && !reflect.DeepEqual(got, lost) {
			t.Fatalf("%+v, want %+v", got, lost)
		}
	})
}

func TestCounts(t *testing.T) {
	r := made()
	push(r, 2*s, keyA, 0)
	push(r, 3*s, answered(keyA, history.Unknown), 0)
	push(r, 4*s, answered(keyA, history.Unknown))
	push(r, 5*s, answered(keyA, history.NotStored))
	push(r, 6*s, keyA)
	r.Ledger = []history.Dropped{{Part: "comet-1", Reason: "slow", Count: 3, From: 6 * s, To: 7 * s}}
	v := check.Run(r)
	want := &check.Verdict{
		Owed: 2, Seen: 2, UnknownSeen: 1,
		Explained: map[string]int{"comet: slow": 1},
		Answers:   map[history.Answer]int{history.Stored: 2, history.Unknown: 2, history.NotStored: 1},
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("%+v, want %+v", v, want)
	}
}

func TestStory(t *testing.T) {
	r := made()
	push(r, 12*s, keyA, 0)
	push(r, 22*s, stored(keyA, "m"))
	r.Drops = []history.Drop{{Message: "m", Comet: "comet-2", Reason: "closed"}, {Message: "n", Comet: "comet-3"}}
	r.Events = []history.Event{
		{Part: "job-2", What: "kill", From: 21 * s, To: 23 * s},
		{Part: "redis", What: "pause", From: 50 * s, To: 51 * s},
	}
	v := check.Run(r).Violations
	if len(v) != 1 {
		t.Fatalf("%+v", v)
	}
	story := check.Story(r, v[0])
	for _, want := range []string{"MISSING", "push 1", "logic-1", "seen by nobody", "comet-1", "live://1", "last before: push 0", "job-2: kill from 21s to 23s", "closed for comet-2"} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in the story:\n%s", want, story)
		}
	}
	if strings.Contains(story, "redis") || strings.Contains(story, "comet-3") {
		t.Errorf("it tells of others:\n%s", story)
	}
}

func TestSaveLoad(t *testing.T) {
	r := made()
	push(r, 2*s, room1, 0, 1, 2)
	file := filepath.Join(t.TempDir(), "history.gz")
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	back, err := history.Load(file)
	if err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := history.Load(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}
