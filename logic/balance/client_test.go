package balance_test

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"pgregory.net/rapid"

	"github.com/oortim/oort/logic/balance"
)

// Three regions with one node each; Frankfurt is nearer to Shanghai than New
// York is.
const regionsFile = `
# name  north  east
sh  31.2  121.5
fra 50.1    8.7
ny  40.7  -74.0
`

var oneEach = []balance.Node{
	{Name: "ny", TCPAddr: "ny", Region: "ny"}, {Name: "fra", TCPAddr: "fra", Region: "fra"},
	{Name: "sh", TCPAddr: "sh", Region: "sh"}, {Name: "x", TCPAddr: "x", Region: "unheard"},
}

func atlas(t *testing.T) balance.Atlas {
	t.Helper()
	regions, err := balance.ReadRegions(strings.NewReader(regionsFile))
	if err != nil {
		t.Fatal(err)
	}
	table, err := balance.ReadTable(strings.NewReader("10.0.0.0/8 ny\n10.1.0.0/16 fra\n# v6\n2001:db8::/32 sh\n"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := balance.OpenMaxMind(maxMindFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return balance.Atlas{Regions: regions, Table: table, MaxMind: m}
}

// maxMindFile is one of both kinds that are understood.
func maxMindFile(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, value := range map[string]mmdbtype.Map{
		"20.0.0.0/8":     {"location": mmdbtype.Map{"latitude": mmdbtype.Float64(48.9), "longitude": mmdbtype.Float64(2.4)}}, // Paris
		"30.0.0.0/8":     {"region": mmdbtype.String("sh")},
		"40.0.0.0/8":     {"location": mmdbtype.Map{"latitude": mmdbtype.Float64(1000), "longitude": mmdbtype.Float64(0)}},
		"2a00:1450::/32": {"location": mmdbtype.Map{"latitude": mmdbtype.Float64(42.3), "longitude": mmdbtype.Float64(-71)}}, // Boston
	} {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, value); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "test.mmdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func TestNearestRegion(t *testing.T) {
	b := balance.New(balance.Advice{Atlas: atlas(t)}, seeded())
	at := func(lat, lon float64) balance.Client {
		return balance.Client{At: balance.Point{Lat: lat, Lon: lon}, Located: true}
	}
	from := func(ip string) balance.Client { return balance.Client{IP: netip.MustParseAddr(ip)} }
	for name, tc := range map[string]struct {
		client balance.Client
		want   string // in this order; what is equally far is not told
	}{
		"named region":           {balance.Client{Region: "fra", At: balance.Point{Lat: 31, Lon: 121}, Located: true, IP: netip.MustParseAddr("30.1.1.1")}, "fra ny sh x"},
		"a region without place": {balance.Client{Region: "unheard"}, "x"},
		"Tokyo":                  {at(35.7, 139.7), "sh fra ny x"},
		"across the date line":   {at(21.3, -157.9), "sh ny"}, // Honolulu: 7,900 and 8,000 km
		"table":                  {from("10.2.3.4"), "ny fra sh x"},
		"smallest network":       {from("10.1.3.4"), "fra ny sh x"},
		"v4 in v6":               {from("::ffff:10.1.3.4"), "fra ny sh x"},
		"v6":                     {from("2001:db8::7"), "sh fra ny x"},
		"zone":                   {from("2001:db8::7%eth0"), "sh fra ny x"},
		"MaxMind place":          {from("20.1.2.3"), "fra ny sh x"},
		"MaxMind region":         {from("30.1.2.3"), "sh fra ny x"},
		"MaxMind v6":             {from("2a00:1450::1"), "ny fra sh x"},
	} {
		for range 20 {
			got := strings.Join(names(t, b, tc.client), " ")
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: %s, want %s", name, got, tc.want)
			}
		}
	}
	first := map[string]bool{}
	for range 100 {
		for _, c := range []balance.Client{{}, from("99.1.1.1"), from("40.1.1.1"), at(91, 0), at(math.NaN(), 0)} {
			first[names(t, b, c)[0]] = true
		}
	}
	if len(first) != 4 {
		t.Errorf("clients of unknown place begin with %v only", first)
	}
}

// TestFileOverwritten: a new edition is copied over the file that is in use.
func TestFileOverwritten(t *testing.T) {
	file := maxMindFile(t)
	m, err := balance.OpenMaxMind(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if region, _, _ := m.Look(netip.MustParseAddr("30.1.2.3")); region != "sh" {
		t.Errorf("region %q, want sh", region)
	}
}

func names(t *testing.T, b *balance.Balancer, c balance.Client) []string {
	t.Helper()
	p, err := b.Plan(oneEach, c)
	if err != nil {
		t.Fatal(err)
	}
	return p.Nodes
}

func TestFilesAreRefused(t *testing.T) {
	for _, text := range []string{"sh 1", "sh 1 2 3", "sh x 2", "sh 91 2", "sh 1 181", "sh NaN 1", "sh 1 2\nsh 1 2"} {
		if r, err := balance.ReadRegions(strings.NewReader(text)); err == nil {
			t.Errorf("regions %q: %v", text, r)
		}
	}
	for _, text := range []string{"10.0.0.0/8", "10.0.0.0 sh", "10.0.0.1/8 sh", "10.0.0.0/33 sh", "10.0.0.0/8 a\n10.0.0.0/8 b", "::/0 a b", "::ffff:10.0.0.0/104 a"} {
		if table, err := balance.ReadTable(strings.NewReader(text)); err == nil {
			t.Errorf("table %q: %v", text, table)
		}
	}
	bad := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(bad, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, bad + "y"} {
		if _, err := balance.OpenMaxMind(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestOwnOrder: a client's own order is the same each time, differs from others'
// and stays, but for a node that goes.
func TestOwnOrder(t *testing.T) {
	var nodes []balance.Node
	for i := range 12 {
		name := fmt.Sprint("n", i)
		nodes = append(nodes, balance.Node{Name: name, TCPAddr: name, MaxLinks: uint64(1000 + 100*i)})
	}
	b := balance.New(balance.Advice{Nodes: 100}, nil)
	rapid.Check(t, func(rt *rapid.T) {
		c := balance.Client{ID: rapid.String().Draw(rt, "id") + "x"}
		all, err := b.Plan(nodes, c)
		if err != nil {
			rt.Fatal(err)
		}
		gone := rapid.IntRange(0, len(nodes)-1).Draw(rt, "gone")
		left, err := b.Plan(slices.Delete(slices.Clone(nodes), gone, gone+1), c)
		if err != nil {
			rt.Fatal(err)
		}
		want := slices.DeleteFunc(all.Nodes, func(n string) bool { return n == nodes[gone].Name })
		if !slices.Equal(left.Nodes, want) {
			rt.Fatalf("without %s: %v, want %v", nodes[gone].Name, left.Nodes, want)
		}
	})
}

// TestWave: all clients of a comet that died ask at the same moment, before any
// renewal tells how full the others get. They fill up evenly, whether the lists
// are drawn or the clients' own.
func TestWave(t *testing.T) {
	nodes := []balance.Node{
		{Name: "a", TCPAddr: "a", Links: 40000, MaxLinks: 50000},
		{Name: "b", TCPAddr: "b", Links: 10000, MaxLinks: 50000},
		{Name: "c", TCPAddr: "c", Links: 0, MaxLinks: 30000},
	}
	const wave = 64000 // 80 % of what is free
	for name, id := range map[string]func(int) string{
		"drawn": func(int) string { return "" },
		"own":   func(i int) string { return fmt.Sprint("device-", i) },
	} {
		b := balance.New(balance.Advice{}, seeded())
		took := map[string]float64{}
		for i := range wave {
			p, err := b.Plan(nodes, balance.Client{ID: id(i)})
			if err != nil {
				t.Fatal(err)
			}
			took[p.Nodes[0]]++
		}
		for _, n := range nodes {
			if share := took[n.Name] / float64(n.MaxLinks-n.Links); share < 0.77 || share > 0.83 {
				t.Errorf("%s: %s took %.2f of what it had free, want 0.80", name, n.Name, share)
			}
		}
	}
}
