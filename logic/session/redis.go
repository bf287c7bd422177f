package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
)

// RedisConfig says how to reach Redis 6.2 or later, alone or as a cluster.
type RedisConfig struct {
	// Addrs are host:port of one server, or of some nodes of a cluster.
	Addrs []string
	// Username and Password, both empty without ACLs.
	Username, Password string
	// DB is the database; a cluster has only 0.
	DB int
	// TLS switches TLS on.
	TLS *tls.Config
	// Timeout bounds one exchange. Zero means 2 s.
	Timeout time.Duration
	// Wait makes Open try until its context ends if Redis cannot be reached;
	// otherwise Open fails at once.
	Wait bool
	// TTLs of what nobody removes.
	TTLs TTLs
	// Clock dates hints; leases and epochs follow Redis's own. Nil means
	// time.Now.
	Clock func() time.Time
	// Log tells that Open waits. Nil means slog.Default().
	Log *slog.Logger
}

// Redis keeps sessions and leases in Redis. See the package's text.
type Redis struct {
	client  rueidis.Client
	scripts scripts
	timeout time.Duration
	ttl     TTLs
	clock   func() time.Time
}

// Redis is both of logic's stores.
var (
	_ logic.Store    = (*Redis)(nil)
	_ logic.Registry = (*Redis)(nil)
	_ logic.Store    = (*Memory)(nil)
	_ logic.Registry = (*Memory)(nil)
)

// Pauses between tries to open.
const (
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
)

// OpenRedis connects. The error is one line that names
// the addresses. Close frees the connections.
func OpenRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("session: redis: no address")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		r, err := open(ctx, cfg)
		if err == nil {
			return r, nil
		}
		err = fmt.Errorf("session: redis %q: %w", strings.Join(cfg.Addrs, ","), err)
		if !cfg.Wait || ctx.Err() != nil {
			return nil, err
		}
		cfg.Log.Warn("session: waiting for Redis", "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

func open(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: cfg.Addrs, Username: cfg.Username, Password: cfg.Password,
		SelectDB: cfg.DB, TLSConfig: cfg.TLS, ClientName: "oort-logic",
		DisableCache:     true,
		Dialer:           net.Dialer{Timeout: cfg.Timeout, KeepAlive: time.Second},
		ConnWriteTimeout: cfg.Timeout,
	})
	if err != nil {
		return nil, err
	}
	r := &Redis{client: client, scripts: newScripts(), timeout: cfg.Timeout, ttl: cfg.TTLs.withDefaults(), clock: cfg.Clock}
	if err := r.Ready(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return r, nil
}

// Close frees the connections; calls under way fail.
func (r *Redis) Close() { r.client.Close() }

// Ready implements logic.Store.
func (r *Redis) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.client.Do(ctx, r.client.B().Ping().Build()).Error()
}
