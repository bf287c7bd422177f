package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
)

// RedisConfig says how to reach Redis 6.2 or later, alone or as a cluster.
type RedisConfig struct {
	// Addrs are host:port of one server, of some nodes of a cluster, or with
	// Master of the sentinels.
	Addrs []string
	// Master is the name of the master that the sentinels watch. Zero means that
	// there are none.
	Master string
	// Login and SentinelLogin say who to log in as. Login is asked at each
	// connection, so that a password may change, but with Master once, like
	// SentinelLogin. Zero means that nobody logs in.
	Login, SentinelLogin func() (user, password string)
	// DB is the database; a cluster has only 0.
	DB int
	// TLS returns the configuration of the next handshake, with servers and
	// sentinels, so that certificates may change. Zero means plain TCP.
	TLS func() *tls.Config
	// Timeout bounds one exchange. Zero means 2 s.
	Timeout time.Duration
	// TTLs of what nobody removes.
	TTLs TTLs
	// Clock dates hints; leases and epochs follow Redis's own. Nil means
	// time.Now.
	Clock func() time.Time
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

// OpenRedis connects, once. The error is one line that names the addresses.
// Close frees the connections.
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
	r, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("session: redis %q: %w", strings.Join(cfg.Addrs, ","), err)
	}
	return r, nil
}

func open(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	client, err := rueidis.NewClient(cfg.options())
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

func (cfg *RedisConfig) options() rueidis.ClientOption {
	option := rueidis.ClientOption{
		InitAddress: cfg.Addrs, SelectDB: cfg.DB, ClientName: "oort-logic",
		DisableCache:      true,
		Dialer:            net.Dialer{Timeout: cfg.Timeout, KeepAlive: time.Second},
		ConnWriteTimeout:  cfg.Timeout,
		AuthCredentialsFn: credentials(cfg.Login),
	}
	if cfg.TLS != nil {
		option.TLSConfig = cfg.TLS() // has rueidis take the TLS port of a cluster's nodes
		option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			secure := tls.Dialer{NetDialer: d, Config: cfg.TLS()}
			return secure.DialContext(ctx, "tcp", addr)
		}
	}
	if cfg.Master != "" {
		cfg.watchMaster(&option)
	}
	return option
}

// topologyBeat is how often the sentinels are asked who the master is, beside
// what they tell by themselves: a message of theirs that got lost would leave
// logic with the old master for good.
const topologyBeat = 2 * time.Second

// watchMaster has the servers be what the sentinels say. rueidis would ask one
// function for the logins of both, without saying for whom; so they are asked
// for once, here.
func (cfg *RedisConfig) watchMaster(option *rueidis.ClientOption) {
	option.AuthCredentialsFn = nil
	option.Sentinel = rueidis.SentinelOption{
		MasterSet: cfg.Master, Dialer: option.Dialer, TLSConfig: option.TLSConfig, ClientName: option.ClientName,
		TopologyRefreshInterval: topologyBeat,
	}
	if cfg.Login != nil {
		option.Username, option.Password = cfg.Login()
	}
	if cfg.SentinelLogin != nil {
		option.Sentinel.Username, option.Sentinel.Password = cfg.SentinelLogin()
	}
}

// credentials is a login in rueidis's words; nil remains nil.
func credentials(login func() (user, password string)) func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
	if login == nil {
		return nil
	}
	return func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
		user, password := login()
		return rueidis.AuthCredentials{Username: user, Password: password}, nil
	}
}

// Close frees the connections; calls under way fail.
func (r *Redis) Close() { r.client.Close() }

// Ready implements logic.Store.
func (r *Redis) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.client.Do(ctx, r.client.B().Ping().Build()).Error()
}
