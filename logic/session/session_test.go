package session_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
)

func TestMain(m *testing.M) {
	// rueidis's cluster client refreshes its topology from a goroutine that
	// sleeps up to a second and ends by itself, also when the client is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// tombstone is long enough for the slowest test of a late login, and short
// enough to be waited for.
const tombstone = 2 * time.Second

func memory() sessiontest.Backend {
	m := session.NewMemory(session.TTLs{Tombstone: tombstone}, nil)
	return sessiontest.Backend{Tombstone: tombstone, Open: func(testing.TB) sessiontest.Opened { return m }}
}

func redis(addr string) sessiontest.Backend {
	return sessiontest.Backend{Tombstone: tombstone, Open: func(t testing.TB) sessiontest.Opened {
		return open(t, session.RedisConfig{Addrs: []string{addr}, TTLs: session.TTLs{Tombstone: tombstone}})
	}}
}

func open(t testing.TB, cfg session.RedisConfig) *session.Redis {
	t.Helper()
	r, err := session.OpenRedis(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestStore(t *testing.T) {
	each(t, sessiontest.Store)
}

func TestRegistry(t *testing.T) {
	each(t, sessiontest.Registry)
}

func TestAges(t *testing.T) {
	each(t, sessiontest.Ages)
}

// each runs a suite over every kind of store.
func each(t *testing.T, suite func(*testing.T, sessiontest.Backend)) {
	for name, backend := range map[string]func(t *testing.T) sessiontest.Backend{
		"memory":  func(*testing.T) sessiontest.Backend { return memory() },
		"redis":   func(t *testing.T) sessiontest.Backend { return redis(sessiontest.StartRedis(t).Addr) },
		"cluster": func(t *testing.T) sessiontest.Backend { return redis(sessiontest.StartCluster(t).Addr) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting for tombstones to end
			suite(t, backend(t))
		})
	}
}
