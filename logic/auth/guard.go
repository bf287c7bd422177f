package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/token"
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

// Guard slows guessing down. A source that failed too often must wait between
// attempts, longer each time; one that comes too early is refused unseen, with
// advice when to come back. Holding its answer back instead would hold up the
// other links of its batch, and keep a descriptor for the guesser.
type Guard struct {
	cfg     GuardConfig
	inner   logic.Authenticator
	counter *prometheus.CounterVec

	failures *token.Failures
}

// NewGuard returns a Guard before inner.
func NewGuard(inner logic.Authenticator, cfg GuardConfig) (*Guard, error) {
	if cfg.Failures == 0 {
		cfg.Failures = 20
	}
	if cfg.MidFailures == 0 {
		cfg.MidFailures = 200
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	g := &Guard{
		cfg: cfg, inner: inner, failures: token.NewFailures(cfg.Entries, cfg.Window),
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
		if wait := g.failures.Wait(token.Address(links[i].RemoteIP), g.cfg.Failures, now); wait > 0 {
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
// That wait is others' doing and is not counted against the address.
func (g *Guard) judge(v logic.Verdict, ip string) logic.Verdict {
	now := g.cfg.Clock()
	mid := token.User(v.Identity.Mid)
	wait := g.failures.Wait(mid, g.cfg.MidFailures, now)
	if errors.Is(v.Err, logic.ErrDenied) && !errors.Is(v.Err, ErrRoom) {
		g.failures.Fail(token.Address(ip), g.cfg.Failures, now)
		g.failures.Fail(mid, g.cfg.MidFailures, now)
	}
	if wait > 0 {
		return tooOften(wait)
	}
	return v
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
