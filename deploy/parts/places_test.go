package parts

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/oortim/oort/logic/balance"
)

// textFile is a file that says text.
func textFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "places")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// maxMind is a file that says that a network is in a region.
func maxMind(t *testing.T, cidr, region string) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Regions"})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Insert(network, mmdbtype.Map{"region": mmdbtype.String(region)}); err != nil {
		t.Fatal(err)
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

// TestPlaceFlags: each file has a say in where clients are sent, by itself and
// with the others.
func TestPlaceFlags(t *testing.T) {
	regions := textFile(t, "sh 31.2 121.5\nfra 50.1 8.7\nny 40.7 -74.0\n")
	networks := textFile(t, "20.0.0.0/8 fra\n")
	database := maxMind(t, "20.0.0.0/7", "ny") // 20 and 21
	nodes := []balance.Node{{Name: "sh", TCPAddr: "sh", Region: "sh"}, {Name: "fra", TCPAddr: "fra", Region: "fra"}, {Name: "ny", TCPAddr: "ny", Region: "ny"}}
	tokyo := balance.Client{At: balance.Point{Lat: 35.7, Lon: 139.7}, Located: true}
	both, one := balance.Client{IP: netip.MustParseAddr("20.1.1.1")}, balance.Client{IP: netip.MustParseAddr("21.1.1.1")}
	for name, row := range map[string]struct {
		flags            PlaceFlags
		tokyo, both, one string // who comes first; empty: anybody
	}{
		"regions":  {PlaceFlags{Regions: regions}, "sh", "", ""},
		"networks": {PlaceFlags{Networks: networks}, "", "fra", ""},
		"maxmind":  {PlaceFlags{MaxMind: database}, "", "ny", "ny"},
		"all":      {PlaceFlags{Regions: regions, Networks: networks, MaxMind: database}, "sh", "fra", "ny"},
	} {
		atlas, err := row.flags.atlas()
		if err != nil {
			t.Fatal(name, err)
		}
		b := balance.New(balance.Advice{Atlas: atlas}, nil)
		for want, client := range map[string]balance.Client{"Tokyo " + row.tokyo: tokyo, "both " + row.both: both, "one " + row.one: one} {
			who, want, _ := strings.Cut(want, " ")
			first := map[string]bool{}
			for range 200 {
				plan, err := b.Plan(nodes, client)
				if err != nil {
					t.Fatal(err)
				}
				first[plan.Nodes[0]] = true
			}
			if want == "" && len(first) != len(nodes) || want != "" && (len(first) != 1 || !first[want]) {
				t.Errorf("%s: %s is sent to %v, want %q", name, who, first, want)
			}
		}
	}
}

func TestPlaceFlagsRefused(t *testing.T) {
	bad := textFile(t, "nowhere\n")
	for name, flags := range map[string]PlaceFlags{
		"regions": {Regions: bad}, "networks": {Networks: bad}, "maxmind": {MaxMind: bad},
		"no regions": {Regions: bad + ".gone"}, "no networks": {Networks: bad + ".gone"}, "no maxmind": {MaxMind: bad + ".gone"},
	} {
		if _, err := flags.atlas(); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v, want the file's name in it", name, err)
		}
	}
}

func TestProxyFlags(t *testing.T) {
	got, err := (&PlaceFlags{HTTPProxy: []string{"10.0.0.0/8", "", "2001:db8::/32"}}).proxies()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"10.0.0.1", "10.0.0.0/33", "proxy", "::ffff:10.0.0.0/104"} {
		if list, err := (&PlaceFlags{HTTPProxy: []string{bad}}).proxies(); err == nil || !strings.Contains(err.Error(), "--http-proxies") {
			t.Errorf("%q: %v, %v", bad, list, err)
		}
	}
}
