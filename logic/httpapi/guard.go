package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// guard decides who may ask.
type guard struct {
	keys   func() Keys // nil: the API is open
	origin *http.CrossOriginProtection
	rate   rate.Limit // 0: no limit

	mu      sync.Mutex
	buckets map[string]*rate.Limiter // guarded by mu; by the key's name
}

func newGuard(opt Options) *guard {
	return &guard{
		keys: opt.Keys, origin: http.NewCrossOriginProtection(), rate: opt.Rate,
		buckets: make(map[string]*rate.Limiter),
	}
}

// check returns who asks, as far as that is known, and why the request is not
// served, or nil. A missing key costs as much as a wrong one.
func (g *guard) check(r *http.Request, open bool) (who string, no *refusal) {
	switch {
	case g.keys == nil:
		no = g.checkSite(r)
	case open:
		return "", nil
	default:
		who, no = g.checkKey(r)
	}
	if no == nil {
		no = g.checkRate(who)
	}
	return who, no
}

// checkKey finds the key that a request shows, and whether it is good for it.
func (g *guard) checkKey(r *http.Request) (who string, no *refusal) {
	keys := g.keys()
	i := keys.find(bearer(r))
	if i < 0 {
		return "", &refusal{status: http.StatusUnauthorized, reason: "unauthorized", message: "send Authorization: Bearer KEY"}
	}
	key := &keys[i]
	if need := scopeOf(r); key.scope&need == 0 {
		return key.name, &refusal{
			status: http.StatusForbidden, reason: "scope",
			message: "this key is for " + key.scope.String() + "; this needs " + need.String(),
		}
	}
	return key.name, nil
}

func (g *guard) checkRate(who string) *refusal {
	if g.rate == 0 {
		return nil
	}
	wait := g.bucket(who).Reserve()
	if delay := wait.Delay(); delay > 0 {
		wait.Cancel()
		return &refusal{status: http.StatusTooManyRequests, reason: "rate", message: "too many requests a second", retry: max(delay, time.Second)}
	}
	return nil
}

// bucket is that of a name. A key that is replaced under its name keeps it.
func (g *guard) bucket(who string) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.buckets[who]
	if b == nil {
		b = rate.NewLimiter(g.rate, max(1, int(g.rate)))
		g.buckets[who] = b
	}
	return b
}

// checkSite defends an open API, which listens on loopback, against pages that
// the operator's browser shows: a page of another site may not post, and a
// name that its owner points at this host is not this host.
func (g *guard) checkSite(r *http.Request) *refusal {
	if !isLocalName(r.Host) {
		return &refusal{status: http.StatusForbidden, reason: "host", message: "without keys this API answers only to an address or localhost"}
	}
	if err := g.origin.Check(r); err != nil {
		return &refusal{status: http.StatusForbidden, reason: "cross_origin", message: "a page of another site may not do this"}
	}
	return nil
}

func isLocalName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// bearer returns the key that a request shows, or "".
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(key) > maxKey {
		return ""
	}
	return strings.TrimSpace(key)
}
