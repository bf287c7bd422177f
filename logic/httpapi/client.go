package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/oortim/oort/logic/balance"
)

// client is who asks for nodes: the query may name region, or lat and lon in
// degrees, or ip, and client, any word that makes the order of the list the
// asker's own. Without ip it is the address that the request comes from. What
// makes no sense is as if it were not there: a client needs a list anyway.
func (a *api) client(r *http.Request, platform string) balance.Client {
	q := r.URL.Query()
	c := balance.Client{Platform: platform, Region: q.Get("region"), ID: q.Get("client")}
	lat, err1 := strconv.ParseFloat(q.Get("lat"), 64)
	lon, err2 := strconv.ParseFloat(q.Get("lon"), 64)
	c.At, c.Located = balance.Point{Lat: lat, Lon: lon}, err1 == nil && err2 == nil
	if ip, err := netip.ParseAddr(q.Get("ip")); err == nil {
		c.IP = ip
	} else {
		c.IP = a.remote(r)
	}
	return c
}

// remote is the address that a request comes from: of what proxies of ours have
// noted the last address that is not one of theirs, since what stands before it
// could be anybody's invention.
func (a *api) remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !a.proxy(ip) {
			break
		}
		ip = before.Unmap()
	}
	return ip
}

func (a *api) proxy(ip netip.Addr) bool {
	return slices.ContainsFunc(a.opt.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
