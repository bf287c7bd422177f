package logic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

func isUnavailable(err error) bool { return errors.Is(err, logic.ErrUnavailable) }

func TestPushGroupsByServer(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	w.connect(c1, "a", 1)
	w.connect(c2, "b", 1)
	w.connect(c1, "c", 2)
	results := w.svc.Push(context.Background(), []logic.Push{
		{ID: "one", Keys: []ident.Key{"a", "b", "c", "nobody", "a"}, Op: 1000, Body: []byte("x")},
		{Mids: []int64{1, 3}, Op: 1001, TTL: time.Second},
		{Room: "live://1", Op: 1002, TTL: -1, Collapse: "likes", Lane: pushpb.Lane_LANE_GIFT},
		{All: true, Op: 1003, Speed: 7},
	})
	if r := results[0]; r.Err != nil || r.ID != "one" || r.Accepted != 3 || !slices.Equal(r.AbsentKeys, []ident.Key{"nobody"}) {
		t.Errorf("keys: %+v", r)
	}
	if r := results[1]; r.Err != nil || r.ID == "" || r.Accepted != 2 || !slices.Equal(r.AbsentMids, []int64{3}) {
		t.Errorf("mids: %+v", r)
	}
	for _, r := range results[2:] {
		if r.Err != nil || r.Accepted != 1 {
			t.Errorf("%+v", r)
		}
	}
	now := w.clock.Now()
	var got []string
	for _, p := range w.pub.Take() {
		slices.Sort(p.Keys)
		ttl := time.Duration(0)
		if p.ExpiresUs != 0 {
			ttl = time.UnixMicro(p.ExpiresUs).Sub(time.UnixMicro(p.AcceptedUs))
		}
		if p.AcceptedUs != now.UnixMicro() {
			t.Errorf("accepted at %d, now is %d", p.AcceptedUs, now.UnixMicro())
		}
		got = append(got, fmt.Sprintf("%v %s%s %v op%d ttl%v %v %d %s", p.Kind, p.Server, p.Room, p.Keys, p.Op, ttl, p.Lane, p.Speed, p.Collapse))
	}
	slices.Sort(got)
	want := []string{
		"KIND_ALL  [] op1003 ttl10m0s LANE_SYSTEM 7 ",
		"KIND_KEYS c1@1 [a c] op1000 ttl10m0s LANE_SYSTEM 0 ",
		"KIND_KEYS c1@1 [a] op1001 ttl1s LANE_SYSTEM 0 ",
		"KIND_KEYS c2@1 [b] op1000 ttl10m0s LANE_SYSTEM 0 ",
		"KIND_KEYS c2@1 [b] op1001 ttl1s LANE_SYSTEM 0 ",
		"KIND_ROOM live://1 [] op1002 ttl0s LANE_GIFT 0 likes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("stored\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPushRefused(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Limits.BodyBytes = 10; c.Limits.Targets = 2 })
	room := func(p logic.Push) logic.Push {
		p.Room = "live://1"
		if p.Op == 0 {
			p.Op = 1000
		}
		return p
	}
	for name, c := range map[string]struct {
		push logic.Push
		want error
	}{
		"no target":        {logic.Push{Op: 1000}, logic.ErrPushTarget},
		"two targets":      {room(logic.Push{All: true}), logic.ErrPushTarget},
		"keys and mids":    {logic.Push{Op: 1000, Keys: []ident.Key{"a"}, Mids: []int64{1}}, logic.ErrPushTarget},
		"bad key":          {logic.Push{Op: 1000, Keys: []ident.Key{"a{b"}}, logic.ErrPushTarget},
		"empty key":        {logic.Push{Op: 1000, Keys: []ident.Key{""}}, logic.ErrPushTarget},
		"mid 0":            {logic.Push{Op: 1000, Mids: []int64{0}}, logic.ErrPushTarget},
		"bad room":         {logic.Push{Op: 1000, Room: "live"}, logic.ErrPushTarget},
		"many keys":        {logic.Push{Op: 1000, Keys: []ident.Key{"a", "b", "c"}}, logic.ErrPushTargets},
		"many mids":        {logic.Push{Op: 1000, Mids: []int64{1, 2, 3}}, logic.ErrPushTargets},
		"op of protocol":   {room(logic.Push{Op: 99}), logic.ErrPushOp},
		"negative op":      {room(logic.Push{Op: -1}), logic.ErrPushOp},
		"large body":       {room(logic.Push{Body: make([]byte, 11)}), logic.ErrPushBodySize},
		"id with space":    {room(logic.Push{ID: "a b"}), logic.ErrPushID},
		"long id":          {room(logic.Push{ID: strings.Repeat("i", 65)}), logic.ErrPushID},
		"lane":             {room(logic.Push{Lane: 4}), logic.ErrPushOption},
		"negative lane":    {room(logic.Push{Lane: -1}), logic.ErrPushOption},
		"speed for a room": {room(logic.Push{Speed: 1}), logic.ErrPushOption},
		"negative speed":   {logic.Push{Op: 1000, All: true, Speed: -1}, logic.ErrPushOption},
		"collapse of all":  {logic.Push{Op: 1000, All: true, Collapse: "c"}, logic.ErrPushOption},
		"long collapse":    {room(logic.Push{Collapse: strings.Repeat("c", 65)}), logic.ErrPushOption},
	} {
		// A bad push does not hurt the good one beside it.
		results := w.svc.Push(context.Background(), []logic.Push{c.push, room(logic.Push{ID: "good", Body: make([]byte, 10)})})
		if r := results[0]; !errors.Is(r.Err, c.want) || !errors.Is(r.Err, logic.ErrPush) || r.Accepted != 0 {
			t.Errorf("%s: %+v, want %v", name, r, c.want)
		}
		if got := w.pub.Take(); results[1].Err != nil || len(got) != 1 || got[0].Id != "good" {
			t.Errorf("%s: beside it %+v, stored %v", name, results[1], got)
		}
	}
}

// TestPushOutcomes: what each record's answer makes of the push.
func TestPushOutcomes(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2, c3)
	w.connect(c1, "a", 1)
	w.connect(c2, "b", 1)
	w.connect(c3, "c", 1)
	no := fmt.Errorf("%w: broker", logic.ErrNotStored)
	for name, c := range map[string]struct {
		answers               map[ident.Server]error
		accepted, no, unknown int
		sure                  bool // surely nothing is stored
	}{
		"all":          {nil, 3, 0, 0, false},
		"none":         {map[ident.Server]error{c1: no, c2: no, c3: no}, 0, 3, 0, true},
		"overloaded":   {map[ident.Server]error{c1: logic.ErrOverloaded, c2: no, c3: no}, 0, 3, 0, true},
		"first fails":  {map[ident.Server]error{c1: no}, 2, 1, 0, false},
		"last fails":   {map[ident.Server]error{c3: no}, 2, 1, 0, false},
		"middle fails": {map[ident.Server]error{c2: no}, 2, 1, 0, false},
		"unknown":      {map[ident.Server]error{c2: errBroken}, 2, 0, 1, false},
		"unknown, not": {map[ident.Server]error{c1: errBroken, c2: no, c3: no}, 0, 2, 1, false},
		"not, unknown": {map[ident.Server]error{c1: no, c2: no, c3: errBroken}, 0, 2, 1, false},
		"one of each":  {map[ident.Server]error{c1: no, c2: errBroken}, 1, 1, 1, false},
	} {
		w.pub.Answer(func(p *pushpb.Push) error { return c.answers[ident.Server(p.Server)] })
		r := w.push(w.svc, "a", "b", "c")
		if r.Accepted != c.accepted || len(r.NotStored) != c.no || len(r.Unknown) != c.unknown {
			t.Errorf("%s: %+v", name, r)
		}
		if (r.Err == nil) != (c.answers == nil) || errors.Is(r.Err, logic.ErrNotStored) != c.sure {
			t.Errorf("%s: error %v, surely not stored: want %v", name, r.Err, c.sure)
		}
	}
}

func TestKick(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2)
	a, b := w.connect(c1, "a", 1), w.connect(c2, "b", 1)
	ctx := context.Background()
	for _, c := range []struct {
		key    ident.Key
		mid    int64
		reason string
		want   []string
		bad    bool
	}{
		{"a", 0, "", []string{fmt.Sprint("c1@1 a ", a.Epoch, " kicked")}, false},
		{"", 1, "banned", []string{fmt.Sprint("c1@1 a ", a.Epoch, " banned"), fmt.Sprint("c2@1 b ", b.Epoch, " banned")}, false},
		{"nobody", 0, "", nil, false},
		{"", 9, "", nil, false},
		{"", 0, "", nil, true},
		{"a b", 0, "", nil, true},
		{"a", 0, "Not A Word", nil, true},
		{"a", 0, strings.Repeat("x", 33), nil, true},
	} {
		n, err := w.svc.Kick(ctx, c.key, c.mid, c.reason)
		got := kicks(w.pub.Take())
		slices.Sort(got)
		if !slices.Equal(got, c.want) || n != len(c.want) || errors.Is(err, logic.ErrPush) != c.bad || (err != nil) != c.bad {
			t.Errorf("kick %q %d %q: %d, %v, stored %v, want %v", c.key, c.mid, c.reason, n, err, got, c.want)
		}
	}
	w.pub.Answer(func(*pushpb.Push) error { return logic.ErrOverloaded })
	if _, err := w.svc.Kick(ctx, "a", 0, ""); !errors.Is(err, logic.ErrNotStored) {
		t.Errorf("kick with the publisher overloaded: %v", err)
	}
}
