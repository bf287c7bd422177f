package server

import (
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/pushpb"
)

// pushesOf are what args describe, without sending them.
func pushesOf(t *testing.T, args PushArgs) (all []*pushpb.Push) {
	t.Helper()
	s, err := newSchedule(args)
	if err != nil {
		t.Fatal(err)
	}
	s.start = time.Unix(1000, 0)
	for n := range s.batches {
		s.stamps(n, func(st stamp.Stamp) { all = append(all, s.push(st)) })
	}
	return all
}

func TestKindsOfPushes(t *testing.T) {
	all := pushesOf(t, PushArgs{Rooms: 2, Room: "fat://", Rate: 10, Count: 3, Lanes: []int{0, 3}, Collapse: true, Expires: time.Second})
	var lanes []pushpb.Lane
	for i, p := range all {
		due := time.Duration(i) * 50 * time.Millisecond
		if p.Kind != pushpb.Kind_KIND_ROOM || p.Room != []string{"fat://0", "fat://1"}[i%2] || p.Collapse == "" ||
			p.ExpiresUs != time.Unix(1001, 0).Add(due).UnixMicro() {
			t.Errorf("push %d: %v", i, p)
		}
		lanes = append(lanes, p.Lane)
	}
	if !slices.Equal(lanes, []pushpb.Lane{0, 0, 3, 3, 0, 0}) {
		t.Errorf("lanes %v", lanes)
	}
	for i, p := range pushesOf(t, PushArgs{Rooms: 3, Keys: "k", Rate: 1, Count: 1}) {
		if p.Kind != pushpb.Kind_KIND_KEYS || !slices.Equal(p.Keys, []string{[]string{"k0", "k1", "k2"}[i]}) || p.Room != "" || p.Lane != pushpb.Lane_LANE_CHAT {
			t.Errorf("to a key: %v", p)
		}
	}
	if p := pushesOf(t, PushArgs{Rate: 1, Count: 1, Speed: 70})[0]; p.Kind != pushpb.Kind_KIND_ALL || p.Speed != 70 || p.ExpiresUs != 0 || p.Collapse != "" {
		t.Errorf("to all: %v", p)
	}
	for _, a := range []PushArgs{{Rate: 1, Count: 1, Lanes: []int{4}}, {Rate: 1, Count: 1, Lanes: []int{-1}}, {Rate: 1, Count: 1, Expires: -1}, {Rate: 1, Count: 1, Speed: -1}} {
		if _, err := newSchedule(a); err == nil {
			t.Errorf("%+v is a schedule", a)
		}
	}
}

// TestPushesReachWhomTheyName: a key alone; of those that wait with one collapse
// key the newest; and nobody with what is too late, which is no error.
func TestPushesReachWhomTheyName(t *testing.T) {
	s := open(t, Flags{Logic: "none", Loops: 1})
	first, second := join(t, s, 0, 0), join(t, s, 1, 0)
	for run, args := range []PushArgs{
		{Rooms: 2, Keys: "k", Rate: 100, Count: 2},
		{Rooms: 1, Rate: 100, Batch: 5, Count: 5, Collapse: true},
		{Rooms: 1, Rate: 1e9, Count: 1, Expires: time.Nanosecond},
		{Rooms: 1, Rate: 100, Count: 1},
	} {
		args.Run = uint32(run)
		r, err := s.Push(t.Context(), args)
		if concerns := []int64{4, 10, 0, 2}[run]; err != nil || r.Concerns != concerns {
			t.Fatalf("push %d: %+v, %v", run, r, err)
		}
	}
	wantStamps(t, first, 0, 0, 2, stamp.Len)
	wantStamps(t, second, 0, 1, 2, stamp.Len)
	if st, ok := stamp.Parse(read(t, first).Body); !ok || st.Run != 1 || st.Seq != 5 {
		t.Errorf("of five that replace each other the first link got %+v", st)
	}
	wantStamps(t, first, 3, 0, 1, stamp.Len)
	stats, err := s.Stats(t.Context(), StatsArgs{})
	if err != nil || stats.Ledger["collapsed"] != 8 || stats.Ledger["delivered"] != 8 {
		t.Errorf("%v, %v", stats.Ledger, err)
	}
}
