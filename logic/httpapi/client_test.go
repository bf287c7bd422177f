package httpapi

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/oortim/oort/logic/balance"
)

// TestRemote: only what our own proxies have noted counts.
func TestRemote(t *testing.T) {
	a := &api{opt: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}
	for _, tc := range []struct {
		peer, want string
		noted      []string
	}{
		{"1.2.3.4:5", "1.2.3.4", nil},
		{"[2001:db8::1]:5", "2001:db8::1", nil},
		{"[::ffff:1.2.3.4]:5", "1.2.3.4", nil},
		{"1.2.3.4:5", "1.2.3.4", []string{"9.9.9.9"}}, // no proxy of ours
		{"10.0.0.1:5", "9.9.9.9", []string{"9.9.9.9"}},
		{"10.0.0.1:5", "9.9.9.9", []string{"8.8.8.8, 9.9.9.9"}}, // the first is the client's invention
		{"10.0.0.1:5", "9.9.9.9", []string{"8.8.8.8", " 9.9.9.9 ,10.0.0.2"}},
		{"[::1]:5", "10.0.0.2", []string{"unknown, 10.0.0.2"}},
		{"10.0.0.1:5", "10.0.0.1", []string{"9.9.9.9, evil"}},
		{"10.0.0.1:5", "10.0.0.1", nil},
	} {
		r := httptest.NewRequest("GET", "/v1/nodes", nil)
		r.RemoteAddr = tc.peer
		for _, v := range tc.noted {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := a.remote(r); got.String() != tc.want {
			t.Errorf("%s, noted %q: %v, want %s", tc.peer, tc.noted, got, tc.want)
		}
	}
	r := httptest.NewRequest("GET", "/v1/nodes", nil)
	r.RemoteAddr = "@"
	if got := a.remote(r); got.IsValid() {
		t.Errorf("from a Unix socket: %v", got)
	}
}

// TestClientOfQuery: what makes no sense is as if it were not there.
func TestClientOfQuery(t *testing.T) {
	a := &api{}
	own := netip.MustParseAddr("192.0.2.1") // of httptest
	for query, want := range map[string]balance.Client{
		"":                            {IP: own},
		"region=sh&client=dev%201":    {IP: own, Region: "sh", ID: "dev 1"},
		"lat=31.5&lon=-121":           {IP: own, Located: true, At: balance.Point{Lat: 31.5, Lon: -121}},
		"lat=31.5":                    {IP: own, At: balance.Point{Lat: 31.5}},
		"lat=x&lon=1":                 {IP: own, At: balance.Point{Lon: 1}},
		"ip=2001:db8::1&lat=&region=": {IP: netip.MustParseAddr("2001:db8::1")},
		"ip=localhost":                {IP: own},
	} {
		want.Platform = "p"
		if got := a.client(httptest.NewRequest("GET", "/v1/nodes?"+query, nil), "p"); got != want {
			t.Errorf("%s: %+v, want %+v", query, got, want)
		}
	}
}
