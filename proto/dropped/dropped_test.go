package dropped_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/pushpb"
)

// TestEntryOnTheWire draws what operators' tools and the chaos judge read.
func TestEntryOnTheWire(t *testing.T) {
	e := dropped.Of(&pushpb.Push{
		Id: "01J", Kind: pushpb.Kind_KIND_KEYS, Keys: []string{"k1", "k2"}, Op: 1000,
		Lane: pushpb.Lane_LANE_CHAT, AcceptedUs: 1_700_000_000_000_001, Moved: true,
	})
	e.Comet, e.Reason, e.Job, e.Partition, e.Offset = "c1@642c", "moved", "job-1", 3, 42
	e.At = time.UnixMicro(1_700_000_001_000_000).UTC()
	got, err := e.Encode()
	const want = `{"id":"01J","kind":"keys","keys":["k1","k2"],"comet":"c1@642c","lane":"chat","op":1000,` +
		`"reason":"moved","moved":true,"accepted":"2023-11-14T22:13:20.000001Z","at":"2023-11-14T22:13:21Z",` +
		`"job":"job-1","partition":3,"offset":42}`
	if err != nil || string(got) != want {
		t.Fatalf("%v\ngot  %s\nwant %s", err, got, want)
	}
	back, err := dropped.Decode(got)
	if err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("%v: read back %+v, want %+v", err, back, e)
	}
}

func TestKinds(t *testing.T) {
	for want, p := range map[string]*pushpb.Push{
		"invalid ambient": {Lane: 9},
		"room system":     {Kind: pushpb.Kind_KIND_ROOM, Room: "r://1"},
		"all gift":        {Kind: pushpb.Kind_KIND_ALL, Lane: pushpb.Lane_LANE_GIFT},
		"kick system":     {Kind: pushpb.Kind_KIND_KICK},
		"cancel system":   {Kind: pushpb.Kind_KIND_CANCEL},
		"invalid system":  nil, // a record that could not be decoded
	} {
		if e := dropped.Of(p); e.Kind+" "+e.Lane != want {
			t.Errorf("got %s %s, want %s", e.Kind, e.Lane, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, value := range []string{"", "{", `{"id":1}`, strings.Repeat("x", 1000)} {
		if e, err := dropped.Decode([]byte(value)); err == nil {
			t.Errorf("%.20q was read as %+v", value, e)
		}
	}
}

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 999, 1000, 1001, 2000, 2001}).Draw(t, "keys")
		e := dropped.Entry{ID: "x"}
		for i := range n {
			e.Keys = append(e.Keys, fmt.Sprint(i))
		}
		var keys []string
		for _, part := range e.Split() {
			if len(part.Keys) > dropped.MaxKeys || part.ID != "x" {
				t.Fatalf("a part of %d keys about %q", len(part.Keys), part.ID)
			}
			keys = append(keys, part.Keys...)
		}
		if !reflect.DeepEqual(keys, e.Keys) {
			t.Fatalf("%d keys became %d", n, len(keys))
		}
	})
}

func TestPartition(t *testing.T) {
	hit := map[int32]bool{}
	for i := range 1000 {
		p := dropped.Partition(fmt.Sprint(i), 4)
		if p != dropped.Partition(fmt.Sprint(i), 4) || p < 0 || p > 3 {
			t.Fatalf("id %d lies in partition %d", i, p)
		}
		hit[p] = true
	}
	if len(hit) != 4 {
		t.Errorf("%d of 4 partitions used", len(hit))
	}
}
