package parts

import (
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/logic/session"
)

// RedisFlags say where the sessions are.
type RedisFlags struct {
	Redis         []string `default:"127.0.0.1:6379" placeholder:"HOST:PORT" help:"Redis with the sessions: one server, some nodes of a cluster, or with --redis-sentinel the sentinels."`
	RedisSentinel string   `placeholder:"NAME" help:"Name of the master that the sentinels at --redis watch."`
	RedisDB       int      `name:"redis-db" default:"0" help:"Database of Redis; a cluster has only 0."`
	RedisUser     string   `help:"User name for Redis with ACLs."`

	RedisPassword             string `secret:"" help:"Password for Redis; rather in a file or the environment than here."`
	RedisPasswordFile         string `placeholder:"FILE" help:"File with the password; a changed one is taken at the next connection, but with sentinels at the next start."`
	RedisSentinelUser         string `help:"User name for the sentinels."`
	RedisSentinelPassword     string `secret:"" help:"Password for the sentinels."`
	RedisSentinelPasswordFile string `placeholder:"FILE" help:"File with it."`

	RedisTLS        bool   `name:"redis-tls" help:"Reach Redis, and the sentinels, by TLS; the same as any of the flags below."`
	RedisCA         string `name:"redis-ca" placeholder:"FILE" help:"Authority (PEM) of Redis's certificate. Default: the system's."`
	RedisCert       string `name:"redis-cert" placeholder:"FILE" help:"Certificate (PEM) that is shown to Redis."`
	RedisKey        string `name:"redis-key" placeholder:"FILE" help:"Its key."`
	RedisServerName string `name:"redis-server-name" placeholder:"NAME" help:"Name that Redis's certificate bears. Default: the host that is dialled."`
}

func (f *RedisFlags) config(to telling) (cfg session.RedisConfig, err error) {
	cfg = session.RedisConfig{Addrs: some(f.Redis), DB: f.RedisDB, Master: f.RedisSentinel}
	if f.RedisSentinel == "" && f.RedisSentinelUser+f.RedisSentinelPassword+f.RedisSentinelPasswordFile != "" {
		return cfg, ops.Usagef("--redis-sentinel: a user or password for sentinels, and no name of a master")
	}
	if cfg.Login, err = login("redis-password", f.RedisUser, f.RedisPassword, f.RedisPasswordFile, to); err != nil {
		return cfg, err
	}
	cfg.SentinelLogin, err = login("redis-sentinel-password", f.RedisSentinelUser, f.RedisSentinelPassword, f.RedisSentinelPasswordFile, to)
	if err != nil {
		return cfg, err
	}
	secure, err := tlsFlags{
		on: f.RedisTLS, ca: f.RedisCA, cert: f.RedisCert, key: f.RedisKey, name: f.RedisServerName,
	}.open("redis", to)
	if secure != nil {
		cfg.TLS = secure.Client
	}
	return cfg, err
}
