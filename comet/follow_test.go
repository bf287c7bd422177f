package comet

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/proto/pushpb"
)

// keysPush is to one key; accepted orders it among others.
func keysPush(id, key string, accepted int64, moved bool) *pushpb.Push {
	return &pushpb.Push{
		Id: id, Kind: pushpb.Kind_KIND_KEYS, Keys: []string{key}, Op: 1000,
		Body: []byte(id), AcceptedUs: accepted, Moved: moved,
	}
}

// TestFollowedOnce: a push that follows a key here is delivered once, however
// often a job stores it, and also beside the pusher's own retry.
func TestFollowedOnce(t *testing.T) {
	r := open(t, "std", nil)
	p := r.dial(false)
	p.auth("k", "")
	for i := range 3 {
		o := r.push(keysPush("a", "k", 1, true))
		if want := i == 0; (o.Links == 1) != want || o.Replayed == want || len(o.Missing) != 0 {
			t.Errorf("time %d: %+v", i, o)
		}
	}
	own := keysPush("b", "k", 2, true)
	own.OwnId = true
	r.push(own)
	retry := keysPush("b", "k", 3, false)
	retry.OwnId = true
	if o := r.push(retry); !o.Replayed {
		t.Errorf("the pusher's own retry: %+v", o)
	}
	r.push(keysPush("end", "k", 4, false))
	p.want(1000, 0, "a")
	p.want(1000, 0, "b")
	p.want(1000, 0, "end")
}

// TestOvertaken: what was made earlier than a push that the link has got comes no
// more; a new link of the key begins anew.
func TestOvertaken(t *testing.T) {
	r := open(t, "std", nil)
	p := r.dial(false)
	p.auth("k", "")
	for _, c := range []struct {
		id       string
		accepted int64
		moved    bool
		want     bool
	}{
		{"one comet's", 20, true, true},
		{"another's, earlier", 10, true, false},
		{"the same instant", 20, true, true},
		{"a later one", 30, true, true},
		{"direct", 40, false, true},
		{"too late", 35, true, false},
		{"made later, but not for this link", 50, true, false},
		{"direct again", 60, false, true},
	} {
		o := r.push(keysPush(c.id, "k", c.accepted, c.moved))
		if (o.Links == 1) != c.want || (len(o.Missing) == 0) != c.want {
			t.Errorf("%s: %+v", c.id, o)
		}
		if c.want {
			p.want(1000, 0, c.id)
		}
	}
	again := r.dial(false)
	again.auth("k", "")
	if o := r.push(keysPush("for the new link", "k", 5, true)); o.Links != 1 {
		t.Errorf("a new link: %+v", o)
	}
	again.want(1000, 0, "for the new link")
}

// TestMissedAgain: a record that is replayed names the keys that it did not find,
// and not those that have gone since.
func TestMissedAgain(t *testing.T) {
	r := open(t, "std", nil)
	p := r.dial(false)
	p.auth("here", "")
	records := []Record{
		{LeaderEpoch: 1, Offset: 5, Push: &pushpb.Push{Id: "x", Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"here", "gone"}, Op: 1000}},
		{LeaderEpoch: 1, Offset: 6, Push: keysPush("y", "here", 1, false)},
		{LeaderEpoch: 2, Offset: 7, Push: keysPush("z", "gone", 1, false)},
	}
	apply := func() (missing []string) {
		t.Helper()
		out, err := r.Apply(context.Background(), Partition{Number: 3}, records)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			missing = append(missing, fmt.Sprint(o.Replayed, o.Missing))
		}
		return missing
	}
	if got, want := apply(), []string{"false [gone]", "false []", "false [gone]"}; !slices.Equal(got, want) {
		t.Errorf("first: %q, want %q", got, want)
	}
	p.Close()
	until(t, "the link has gone", func() bool { _, ok := r.keys.find("here"); return !ok })
	if got, want := apply(), []string{"true [gone]", "true []", "true [gone]"}; !slices.Equal(got, want) {
		t.Errorf("again: %q, want %q", got, want)
	}
}

// TestMissedIsBounded: the oldest are forgotten first, by number and by time.
func TestMissedIsBounded(t *testing.T) {
	var m missed
	now := time.Now()
	for i := range int64(missedMost + 10) {
		m.add(1, i, []string{"k"}, now)
	}
	if len(m.list) != missedMost || m.of(1, 9) != nil || m.of(1, 10) == nil || m.of(1, missedMost+9) == nil || m.of(1, missedMost+10) != nil {
		t.Errorf("%d remembered, from %d", len(m.list), m.list[0].offset)
	}
	m.add(2, 0, []string{"k"}, now.Add(rememberFor+time.Second))
	if len(m.list) != 1 || m.of(2, 0) == nil {
		t.Errorf("%d remembered after their time", len(m.list))
	}
}
