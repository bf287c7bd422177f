package auth

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic"
)

// GuardConfig says how much guessing is borne.
type GuardConfig struct {
	// Failures of one source address (of an IPv6 address: its /64) after which
	// its attempts are delayed; after twice as many they are refused, until the
	// window ends. Zero means 20, negative: never. Addresses are what the comet
	// sees: behind a proxy without PROXY protocol all clients have one.
	Failures int
	// MidFailures is the same for one claimed user. Higher, for anyone can fail
	// in another's name. Zero means 200, negative: never.
	MidFailures int
	// Window after the first failure in which failures are counted. Zero means
	// 10 min.
	Window time.Duration
	// Entries bounds the table; the least recently failed is forgotten first.
	// Zero means 65,536.
	Entries int
	// Clock returns the time. Nil means time.Now.
	Clock func() time.Time
	// Metrics registers the counter of verdicts. Nil registers none.
	Metrics prometheus.Registerer
}

// Pause between two attempts of a source that is delayed: doubled with each
// failure.
const (
	minDelay = time.Second
	maxDelay = time.Minute
)

// Guard slows guessing down. A source that failed too often must wait between
// attempts, longer each time; one that comes too early is refused unseen, with
// advice when to come back. Holding its answer back instead would hold up the
// other links of its batch, and keep a descriptor for the guesser.
type Guard struct {
	cfg     GuardConfig
	inner   logic.Authenticator
	counter *prometheus.CounterVec

	mu      sync.Mutex // guards what follows
	entries map[string]*list.Element
	recent  *list.List // of *failures, most recently failed first
}

// failures of one source.
type failures struct {
	source string
	count  int
	ends   time.Time // of the window
	next   time.Time // when the next attempt is looked at
}

// NewGuard returns a Guard before inner.
func NewGuard(inner logic.Authenticator, cfg GuardConfig) (*Guard, error) {
	if cfg.Failures == 0 {
		cfg.Failures = 20
	}
	if cfg.MidFailures == 0 {
		cfg.MidFailures = 200
	}
	if cfg.Window == 0 {
		cfg.Window = 10 * time.Minute
	}
	if cfg.Entries == 0 {
		cfg.Entries = 65536
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	g := &Guard{
		cfg: cfg, inner: inner, entries: make(map[string]*list.Element), recent: list.New(),
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oort_logic_auth_total", Help: "Verdicts on links' credentials.",
		}, []string{"verdict"}),
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(g.counter); err != nil {
			return nil, fmt.Errorf("auth: metrics: %w", err)
		}
	}
	return g, nil
}

// Authenticate implements logic.Authenticator.
func (g *Guard) Authenticate(ctx context.Context, links []logic.Credentials) []logic.Verdict {
	now := g.cfg.Clock()
	verdicts := make([]logic.Verdict, len(links))
	asked := make([]logic.Credentials, 0, len(links))
	at := make([]int, 0, len(links)) // asked[i] is links[at[i]]
	for i := range links {
		if wait := g.wait(addrSource(links[i].RemoteIP), g.cfg.Failures, now); wait > 0 {
			verdicts[i] = tooOften(wait)
			continue
		}
		asked, at = append(asked, links[i]), append(at, i)
	}
	for i, v := range g.inner.Authenticate(ctx, asked) {
		verdicts[at[i]] = g.judge(v, asked[i].RemoteIP)
	}
	for _, v := range verdicts {
		g.counter.WithLabelValues(label(v.Err)).Inc()
	}
	return verdicts
}

// errTooOften: the source failed too often; its credentials were not looked at,
// or do not count.
var errTooOften = fmt.Errorf("%w: too many failures", logic.ErrDenied)

func tooOften(wait time.Duration) logic.Verdict {
	return logic.Verdict{Err: errTooOften, RetryMS: uint32(wait.Milliseconds())}
}

// judge counts a refusal. What is only malformed is no guess, nor is a room that
// is not open to somebody: a client with a defect must not lock out all that share
// its address. A user in whose name too many failed must wait too,
// even with the right credentials: otherwise a right guess would come through.
func (g *Guard) judge(v logic.Verdict, ip string) logic.Verdict {
	now := g.cfg.Clock()
	mid := midSource(v.Identity.Mid)
	if wait := g.wait(mid, g.cfg.MidFailures, now); wait > 0 {
		v = tooOften(wait)
	}
	if errors.Is(v.Err, logic.ErrDenied) && !errors.Is(v.Err, ErrRoom) {
		g.fail(addrSource(ip), g.cfg.Failures, now)
		g.fail(mid, g.cfg.MidFailures, now)
	}
	return v
}

// wait returns how long a source must wait before its next attempt; 0: not.
func (g *Guard) wait(source string, limit int, now time.Time) time.Duration {
	if source == "" || limit < 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.entries[source]
	if e == nil {
		return 0
	}
	f := e.Value.(*failures)
	switch {
	case !now.Before(f.ends):
		g.removeLocked(e)
		return 0
	case f.count >= 2*limit:
		return f.ends.Sub(now)
	default:
		return max(0, f.next.Sub(now))
	}
}

// fail counts one failure of a source.
func (g *Guard) fail(source string, limit int, now time.Time) {
	if source == "" || limit < 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.entries[source]
	if e == nil {
		e = g.recent.PushFront(&failures{source: source, ends: now.Add(g.cfg.Window)})
		g.entries[source] = e
	}
	g.recent.MoveToFront(e)
	f := e.Value.(*failures)
	if f.count++; f.count >= limit {
		f.next = now.Add(min(maxDelay, minDelay<<min(f.count-limit, 6)))
	}
	for len(g.entries) > g.cfg.Entries {
		g.removeLocked(g.recent.Back())
	}
}

func (g *Guard) removeLocked(e *list.Element) {
	delete(g.entries, e.Value.(*failures).source)
	g.recent.Remove(e)
}

// addrSource names an address, or the /64 of an IPv6 one, of which a client
// has more than any table can hold.
func addrSource(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		prefix, _ := addr.Prefix(64) // 64 bits always fit
		addr = prefix.Addr()
	}
	return "ip " + addr.String()
}

// midSource names a user; nobody has no name.
func midSource(mid int64) string {
	if mid <= 0 {
		return ""
	}
	return "mid " + strconv.FormatInt(mid, 10)
}

func label(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errTooOften):
		return "too_often"
	case errors.Is(err, logic.ErrDenied):
		return "denied"
	case errors.Is(err, logic.ErrMalformed):
		return "malformed"
	default:
		return "unavailable"
	}
}
