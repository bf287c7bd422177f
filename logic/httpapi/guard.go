package httpapi

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// minKey is the shortest bearer key, in bytes: what is shorter can be guessed.
const minKey = 16

// maxKey is the longest that is looked at, in bytes.
const maxKey = 512

// Keys are bearer keys by name. Only their hashes are kept.
type Keys []namedKey

type namedKey struct {
	name string
	hash [sha256.Size]byte
}

// ReadKeys reads "name:key" lines; empty lines and those that begin with # are
// skipped. Names are for the operator, and unique. No error contains a key.
func ReadKeys(r io.Reader) (Keys, error) {
	var keys Keys
	seen := make(map[string]bool)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, key, ok := strings.Cut(line, ":")
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("httpapi: keys: line %d is not name:key", n)
		case len(key) < minKey || len(key) > maxKey:
			return nil, fmt.Errorf("httpapi: keys: line %d: a key has %d to %d bytes, this has %d", n, minKey, maxKey, len(key))
		case seen[name]:
			return nil, fmt.Errorf("httpapi: keys: line %d: name %q is there twice", n, name)
		}
		seen[name] = true
		keys = append(keys, namedKey{name: name, hash: sha256.Sum256([]byte(key))})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("httpapi: keys: %w", err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("httpapi: keys: no key in the file")
	}
	return keys, nil
}

// find returns the index of the key, or -1. Every key is compared, by its
// hash, so the time tells neither whether nor where it was found.
func (k Keys) find(key string) int {
	hash := sha256.Sum256([]byte(key))
	found := -1
	for i := range k {
		equal := subtle.ConstantTimeCompare(hash[:], k[i].hash[:])
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	return found
}

// guard decides who may ask.
type guard struct {
	keys    Keys
	origin  *http.CrossOriginProtection
	buckets []*rate.Limiter // one a key, or one for all; empty: no limit
}

func newGuard(opt Options) *guard {
	g := &guard{keys: opt.Keys, origin: http.NewCrossOriginProtection()}
	if opt.Rate > 0 {
		for range max(1, len(opt.Keys)) {
			g.buckets = append(g.buckets, rate.NewLimiter(opt.Rate, max(1, int(opt.Rate))))
		}
	}
	return g
}

// check returns why a request is not served, or nil. A missing key costs as
// much as a wrong one.
func (g *guard) check(r *http.Request, open bool) *refusal {
	who := 0
	if len(g.keys) > 0 {
		if open {
			return nil
		}
		if who = g.keys.find(bearer(r)); who < 0 {
			return &refusal{status: http.StatusUnauthorized, reason: "unauthorized", message: "send Authorization: Bearer KEY"}
		}
	} else if no := g.checkSite(r); no != nil {
		return no
	}
	if len(g.buckets) == 0 {
		return nil
	}
	if wait := g.buckets[who].Reserve(); wait.Delay() > 0 {
		delay := wait.Delay()
		wait.Cancel()
		return &refusal{status: http.StatusTooManyRequests, reason: "rate", message: "too many requests a second", retry: max(delay, time.Second)}
	}
	return nil
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
