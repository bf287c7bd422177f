package balance_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/oortim/oort/logic/balance"
)

// seeded returns the same numbers in each run.
func seeded() func() float64 { return rand.New(rand.NewPCG(1, 2)).Float64 }

func plan(t *testing.T, b *balance.Balancer, nodes []balance.Node, platform, region string) balance.Plan {
	t.Helper()
	p, err := b.Plan(nodes, balance.Client{Platform: platform, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNone(t *testing.T) {
	b := balance.New(balance.Advice{}, seeded())
	for name, nodes := range map[string][]balance.Node{
		"no node":  nil,
		"full":     {{TCPAddr: "a", Links: 10, MaxLinks: 10}},
		"more":     {{TCPAddr: "a", Links: 11, MaxLinks: 10}},
		"draining": {{TCPAddr: "a", Draining: true}},
		"no TCP":   {{WSAddr: "a"}},
	} {
		if p, err := b.Plan(nodes, balance.Client{Platform: "ios"}); !errors.Is(err, balance.ErrNone) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestPlan(t *testing.T) {
	nodes := []balance.Node{{TCPAddr: "h:3101", WSAddr: "h:4102"}}
	p := plan(t, balance.New(balance.Advice{}, seeded()), nodes, "ios", "")
	want := balance.Plan{
		Domain: "h", TCPPort: 3101, WSPort: 3102, Heartbeat: 30 * time.Second, HeartbeatMax: 3,
		Backoff: balance.Backoff{MaxDelay: 300 * time.Second, BaseDelay: 3 * time.Second, Factor: 1.8, Jitter: 0.3},
		Nodes:   []string{"h"},
	}
	if !slices.Equal(p.Nodes, want.Nodes) {
		t.Errorf("nodes %v", p.Nodes)
	}
	p.Nodes, want.Nodes = nil, nil
	if !equal(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
	advice := balance.Advice{Domain: "conn.example", WSPort: 4102, Nodes: 1}
	p = plan(t, balance.New(advice, seeded()), append(nodes, nodes...), "web", "")
	if p.Domain != "conn.example" || !slices.Equal(p.Nodes, []string{"h"}) {
		t.Errorf("%+v", p)
	}
	v6 := []balance.Node{{TCPAddr: "[::1]:3101"}, {TCPAddr: "[::1]:99"}}
	p = plan(t, balance.New(balance.Advice{}, seeded()), v6, "", "")
	slices.Sort(p.Nodes)
	if !slices.Equal(p.Nodes, []string{"::1", "[::1]:99"}) {
		t.Errorf("%v", p.Nodes)
	}
}

func equal(a, b balance.Plan) bool {
	return a.Domain == b.Domain && a.TCPPort == b.TCPPort && a.WSPort == b.WSPort && a.WSSPort == b.WSSPort &&
		a.Heartbeat == b.Heartbeat && a.HeartbeatMax == b.HeartbeatMax && a.Backoff == b.Backoff
}

// TestRegionFirst: however little capacity the client's region has, it comes
// first; an unknown region changes nothing.
func TestRegionFirst(t *testing.T) {
	nodes := []balance.Node{
		{TCPAddr: "far", Region: "bj", MaxLinks: 1e9}, {TCPAddr: "near", Region: "sh", Links: 9, MaxLinks: 10},
		{TCPAddr: "nowhere", MaxLinks: 1e9},
	}
	b := balance.New(balance.Advice{}, seeded())
	for range 100 {
		if p := plan(t, b, nodes, "", "sh"); p.Nodes[0] != "near" || len(p.Nodes) != 3 {
			t.Fatalf("%v", p.Nodes)
		}
		if p := plan(t, b, nodes, "", "us"); len(p.Nodes) != 3 {
			t.Fatalf("%v", p.Nodes)
		}
	}
}

// TestShares: nodes come first in proportion to weight times free capacity.
func TestShares(t *testing.T) {
	nodes := []balance.Node{
		{TCPAddr: "a", Links: 900, MaxLinks: 1000},                // 100
		{TCPAddr: "b", Links: 0, MaxLinks: 300},                   // 300
		{TCPAddr: "c", Links: 0, MaxLinks: 200, Weight: 3},        // 600
		{TCPAddr: "full", Links: 5, MaxLinks: 5, Weight: 1 << 30}, // 0
	}
	b := balance.New(balance.Advice{}, seeded())
	const draws = 20000
	first := map[string]int{}
	for range draws {
		first[plan(t, b, nodes, "", "").Nodes[0]]++
	}
	for name, share := range map[string]float64{"a": 0.1, "b": 0.3, "c": 0.6, "full": 0} {
		if got := float64(first[name]) / draws; got < share-0.02 || got > share+0.02 {
			t.Errorf("%s came first in %.3f, want %.3f", name, got, share)
		}
	}
}
