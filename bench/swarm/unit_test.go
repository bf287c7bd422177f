package swarm

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/stamp"
	"github.com/oortim/oort/proto/frame"
)

func TestLinkSize(t *testing.T) {
	if n := unsafe.Sizeof(link{}); n > 60 {
		t.Errorf("a link takes %d bytes", n)
	}
}

func TestPace(t *testing.T) {
	p := newPace(100, 1000)
	for _, c := range []struct {
		after time.Duration
		due   int
		wait  time.Duration
	}{
		{0, 0, 10 * time.Millisecond},
		{9 * time.Millisecond, 0, time.Millisecond},
		{10 * time.Millisecond, 1, 0},
		{time.Second, 100, 0},
	} {
		now := 1000 + int64(c.after)
		if due, wait := p.due(now), p.wait(now); due != c.due || wait != c.wait {
			t.Errorf("after %v: %d due, next in %v; want %d, %v", c.after, due, wait, c.due, c.wait)
		}
	}
	if at := p.deal(); at != 1000+int64(10*time.Millisecond) || p.due(1000+int64(10*time.Millisecond)) != 0 {
		t.Errorf("the first was due at %d; %d are due then", at, p.due(at))
	}
	var none pace
	if none.due(1<<62) != 0 || none.wait(5) >= 0 {
		t.Error("the zero pace deals something")
	}
}

// Over any sequence of looks, a pace deals as many as its rate says.
func TestPaceKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 1e6).Draw(t, "rate")
		p, now, dealt := newPace(rate, 0), int64(0), 0
		for range rapid.IntRange(1, 20).Draw(t, "looks") {
			now += rapid.Int64Range(0, int64(time.Second)).Draw(t, "step")
			for range p.due(now) {
				if at := p.deal(); at > now+1 {
					t.Fatalf("dealt at %d what is due at %d", now, at)
				}
				dealt++
			}
		}
		if want := float64(now) * rate / 1e9; float64(dealt) < want-1.1 || float64(dealt) > want+1.1 {
			t.Fatalf("%d dealt of %.1f", dealt, want)
		}
	})
}

func TestPartyRefuses(t *testing.T) {
	good := DialArgs{Addrs: []string{"tcp://127.0.0.1:1"}, Links: 1}
	for name, spoil := range map[string]func(*DialArgs){
		"no address":     func(a *DialArgs) { a.Addrs = nil },
		"no scheme":      func(a *DialArgs) { a.Addrs = []string{"127.0.0.1:1"} },
		"another scheme": func(a *DialArgs) { a.Addrs = []string{"http://127.0.0.1:1"} },
		"no port":        func(a *DialArgs) { a.Addrs = []string{"tcp://127.0.0.1"} },
		"no links":       func(a *DialArgs) { a.Links = 0 },
		"rooms":          func(a *DialArgs) { a.Rooms = -1 },
		"rate":           func(a *DialArgs) { a.Rate = -1 },
		"source":         func(a *DialArgs) { a.Sources = []string{"here"} },
	} {
		a := good
		spoil(&a)
		if _, err := newParty(a, 0); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := newParty(good, 0); err != nil {
		t.Error(err)
	}
}

func TestPartyOfALink(t *testing.T) {
	p, err := newParty(DialArgs{
		Addrs: []string{"tcp://127.0.0.1:1", "ws://127.0.0.1:2/sub?x=1"}, Links: 100, Rooms: 2,
		Room: "test://r", Key: "k", Accepts: []int32{7, 1000},
	}, 10)
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]int{}
	for n := uint32(10); n < 110; n++ {
		targets[fmt.Sprint(p.room(n), p.target(n).addr.Port())]++
	}
	for _, want := range []string{"0 1", "0 2", "1 1", "1 2"} {
		if targets[want] != 25 {
			t.Errorf("%d links have room and port %s, not 25: %v", targets[want], want, targets)
		}
	}
	if got := string(p.targets[1].upgrade); got[:len("GET /sub?x=1 HTTP/1.1\r\nHost: 127.0.0.1:2\r\n")] != "GET /sub?x=1 HTTP/1.1\r\nHost: 127.0.0.1:2\r\n" {
		t.Errorf("upgrade: %q", got)
	}
	x, err := frame.Exact(p.appendAuth(nil, 11), 4096)
	if err != nil || x.Op != frame.OpAuth || x.Seq != authSeq {
		t.Fatal(x, err)
	}
	var auth struct {
		Mid      int64
		Key      string
		RoomID   string `json:"room_id"`
		Platform string
		Accepts  []int32
	}
	if err := json.Unmarshal(x.Body, &auth); err != nil {
		t.Fatalf("%q: %v", x.Body, err)
	}
	if auth.Mid != 12 || auth.Key != "k11" || auth.RoomID != "test://r1" || !slices.Equal(auth.Accepts, []int32{7, 1000}) {
		t.Errorf("auth %+v", auth)
	}
}

func TestSources(t *testing.T) {
	for _, c := range []struct {
		addr  string
		first uint32
		links int
		want  int
	}{
		{"127.0.0.1", 0, perPair - 1, 0},
		{"127.0.0.1", 0, 10 * perPair, 11},
		{"127.0.0.1", 9 * perPair, perPair, 11},
		{"10.0.0.1", 0, 10 * perPair, 0},
		{"[::1]", 0, 10 * perPair, 0},
	} {
		p, err := newParty(DialArgs{Addrs: []string{"tcp://" + c.addr + ":1"}, Links: c.links}, c.first)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.sources) != c.want {
			t.Errorf("%+v: from %v", c, p.sources)
		}
		used := map[netip.Addr]int{}
		for n := range uint32(c.links) {
			used[p.source(c.first+n)]++
		}
		for from, n := range used {
			if c.want > 0 && n > perPair {
				t.Errorf("%+v: %d links from %v", c, n, from)
			}
		}
	}
}

// Whatever was dealt before, loops get equally many, and all of it is dealt.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loops := rapid.IntRange(1, 8).Draw(t, "loops")
		s := &Swarm{loops: make([]*loop, loops), dealt: make([]int, loops)}
		for range rapid.IntRange(1, 6).Draw(t, "dials") {
			if rapid.Bool().Draw(t, "grow") {
				s.loops, s.dealt = append(s.loops, nil), append(s.dealt, 0)
			}
			n, sum := rapid.IntRange(1, 1000).Draw(t, "links"), 0
			shares := s.sharesLocked(n)
			for i, share := range shares {
				s.dealt[i] += share
				sum += share
			}
			if s.asked += sum; sum != n {
				t.Fatalf("%d of %d are dealt", sum, n)
			}
			for i, share := range shares {
				if share < 0 || share > 0 && s.dealt[i] > slices.Min(s.dealt)+1 {
					t.Fatalf("loop %d gets %d: %v", i, share, s.dealt)
				}
			}
		}
	})
}

// messageOf is the loop's view of one message.
func messageOf(run, room, seq uint32) []byte {
	return stamp.Append(nil, stamp.Stamp{Run: run, Room: room, Seq: seq}, 0)
}

func TestMessagesAreChecked(t *testing.T) {
	const run = 9
	for _, c := range []struct {
		name string
		in   [][]byte
		want tally
	}{
		{"in order", [][]byte{messageOf(run, 1, 1), messageOf(run, 1, 2)}, tally{messages: 2}},
		{"the first is missing", [][]byte{messageOf(run, 1, 2)}, tally{messages: 1, gaps: 1}},
		{"three are missing", [][]byte{messageOf(run, 1, 1), messageOf(run, 1, 5)}, tally{messages: 2, gaps: 3}},
		{"twice", [][]byte{messageOf(run, 1, 1), messageOf(run, 1, 1)}, tally{messages: 1, doubles: 1}},
		{"swapped", [][]byte{messageOf(run, 1, 2), messageOf(run, 1, 1)}, tally{messages: 1, gaps: 1, doubles: 1}},
		{"to everyone", [][]byte{messageOf(run, 1, 1), messageOf(run, stamp.Everyone, 1), messageOf(run, 1, 2)}, tally{messages: 3}},
		{"of another room", [][]byte{messageOf(run, 2, 1)}, tally{wrong: 1}},
		{"of another run", [][]byte{messageOf(run+1, 1, 1)}, tally{stale: 1}},
		{"without a stamp", [][]byte{[]byte("hello")}, tally{wrong: 1}},
	} {
		l := &loop{
			run: run, latency: measure.NewLatency(),
			dials: []*dialling{{party: &party{DialArgs: DialArgs{Rooms: 2}}}},
		}
		ln := link{number: 1, room: 1, everyone: 1}
		for _, body := range c.in {
			l.message(&ln, body)
		}
		if c.want.received = int64(len(c.in)); l.tally != c.want || int64(ln.messages) != c.want.messages {
			t.Errorf("%s: %+v, link %d; want %+v", c.name, l.tally, ln.messages, c.want)
		}
	}
}

// A link that joined later takes what comes first for the beginning.
func TestLateLinkKnowsNoBeginning(t *testing.T) {
	l := &loop{latency: measure.NewLatency(), dials: []*dialling{{party: &party{DialArgs: DialArgs{Rooms: 1}}}}}
	var ln link
	for _, seq := range []uint32{70, 71, 73} {
		l.message(&ln, messageOf(0, 0, seq))
	}
	if want := (tally{received: 3, messages: 3, gaps: 1}); l.tally != want {
		t.Errorf("%+v, want %+v", l.tally, want)
	}
}

func TestSince(t *testing.T) {
	for _, start := range []int64{0, 1 << 40, (1 << 32) * 1000, (1<<32 - 5) * 1000} {
		for _, took := range []time.Duration{0, time.Microsecond, time.Second, time.Hour} {
			got := time.Duration(since(micros(start), start+int64(took)))
			if d := got - took; d.Abs() > 2*time.Microsecond {
				t.Errorf("from %d, %v becomes %v", start, took, got)
			}
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	counts := map[string]int64{}
	for i := range 1000 {
		count(counts, fmt.Sprint("nonsense ", i))
		count(counts, "refused")
	}
	if len(counts) > manyReasons+1 || counts["refused"] != 1000 || counts["other"] < 900 {
		t.Errorf("%d reasons: %v", len(counts), counts)
	}
}
