package parts

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/ask"
	"github.com/oortim/oort/logic/balance"
	"github.com/oortim/oort/logic/publish"
	logicrpc "github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/logic/session"
)

// LogicFlags are the flags of logic, alone or within serve.
type LogicFlags struct {
	HTTPFlags
	MaxBody   int           `default:"65536" help:"Largest message of a push, in bytes."`
	PushTTL   time.Duration `default:"10m" help:"How long a push may wait for its delivery if the pusher does not say."`
	Heartbeat time.Duration `default:"4m" help:"Heartbeat interval that clients are told to keep."`
	Devices   string        `default:"all" placeholder:"POLICY" help:"Devices of one user that may be online: all, the newest of each platform (platform), or the newest of all (newest). The others are closed as replaced."`
	Domain    string        `help:"Domain that the node list names first, as goim's clients expect."`
	PlaceFlags
	AuthFlags
	SampleFlags
}

// Logic is `oort logic`.
type Logic struct {
	ops.AdminFlags
	LogicFlags
	GRPCListenFlags
	TraceFlags
	GRPC  string        `name:"grpc" default:"127.0.0.1:3119" placeholder:"HOST:PORT" help:"Where comets and jobs reach logic."`
	Lease time.Duration `default:"15s" help:"A comet that has not renewed for so long counts as dead."`
	// In is where sessions are.
	In string `name:"sessions" enum:"redis,memory" default:"redis" help:"Where sessions are: redis, or the memory of this logic, which must be the only one. When it restarts, comets tell it theirs within some renewals (3 s each)."`
	RedisFlags
	KafkaFlags
	Replication int16         `default:"0" help:"Replication of the topic if it has to be made; with 3 or more, two brokers must have a push before it is answered; 0: the cluster's default."`
	Partitions  int32         `default:"8" help:"Partitions of the topic if it has to be made."`
	MaxLag      time.Duration `default:"1m" help:"How long a push may have waited for a job; above it pushes for its partition are answered 503. Longer than the jobs' --max-hold; negative: never."`
}

// Examples are shown by --help.
func (*Logic) Examples() string {
	return `
oort logic --redis 127.0.0.1:6379 --kafka 127.0.0.1:9092
oort logic --http 0.0.0.0:3111 --http-cert /etc/oort/www.pem --http-key /etc/oort/www.key --api-keys /etc/oort/api-keys --auth jwt --jwks https://login.example.com/keys --jwt-alg ES256
oort logic --redis s1:26379,s2:26379 --redis-sentinel oort --redis-ca /etc/oort/redis-ca.pem --redis-password-file /etc/oort/redis-password
oort logic --sessions memory --kafka 127.0.0.1:9092
oort logic --grpc 10.0.0.1:3119 --grpc-cert /etc/oort/logic.pem --grpc-key /etc/oort/logic.key --grpc-ca /etc/oort/ca.pem
OORT_REDIS=r1:6379,r2:6379 oort logic --config /etc/oort/logic.yaml`
}

// Run runs logic until ctx is over.
func (c *Logic) Run(ctx context.Context, log *slog.Logger, level *slog.LevelVar, out io.Writer) error {
	if a := beyond([]string{c.GRPC}); a != "" && c.open() {
		return ops.Usagef("--grpc: %q is not loopback, and --auth open trusts what every client says; use another, or --auth-open-public", a)
	}
	b, err := openBase(c.AdminFlags, log, level, out)
	if err != nil {
		return err
	}
	defer b.opened.close()
	if c.In != inMemory {
		b.tuneCollector() // not for a heap full of sessions, which each collection looks at
	}
	if err := b.openTracing(&c.TraceFlags, c.TraceSample, "oort-logic", processName()); err != nil {
		return err
	}
	ways, err := c.ways(c.GRPC, b.telling())
	if err != nil {
		return err
	}
	rpc, err := b.serveRPC(c.GRPC, ways.in)
	if err != nil {
		return err
	}
	brokers, err := c.reached(b.telling())
	if err != nil {
		return err
	}
	sessions, err := c.openSessions(ctx, b)
	if err != nil {
		return err
	}
	publisher, err := b.openPublisher(ctx, publish.Config{
		Brokers: brokers, Topic: c.Topic, Partitions: c.Partitions, Replication: c.Replication, Group: c.Group, MaxLag: c.MaxLag,
	})
	if err != nil {
		return err
	}
	svc, err := b.openLogic(ctx, &c.LogicFlags, logic.Config{
		Sessions: sessions, Registry: sessions, Publisher: publisher, Lease: c.Lease, Asker: b.openAsker(ways.dialComet),
	})
	if err != nil {
		return err
	}
	addr, err := b.serveHTTP(&c.LogicFlags, svc)
	if err != nil {
		return err
	}
	logicrpc.Register(rpc.server, logicrpc.New(svc, logicrpc.Options{TrustsClients: c.open()}))
	rpc.start()
	b.ready("http", addr, "grpc", rpc.addr)
	return b.wait(ctx)
}

// inMemory is the other place for sessions.
const inMemory = "memory"

// store is where sessions are and where comets are registered.
type store interface {
	logic.Store
	logic.Registry
}

// openSessions opens the store that is asked for.
func (c *Logic) openSessions(ctx context.Context, b *base) (store, error) {
	ttls := session.TTLs{Record: 4 * c.Lease}
	if c.In == inMemory {
		return session.NewMemory(ttls, time.Now), nil
	}
	cfg, err := c.RedisFlags.config(b.telling())
	if err != nil {
		return nil, err
	}
	cfg.TTLs = ttls
	return b.openRedis(ctx, cfg)
}

func (b *base) openRedis(ctx context.Context, cfg session.RedisConfig) (r *session.Redis, err error) {
	err = b.reach(ctx, "redis", func(ctx context.Context) error {
		r, err = session.OpenRedis(ctx, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("redis", func(context.Context) error { r.Close(); return nil })
	b.admin.Check("redis", r.Ready)
	return r, nil
}

func (b *base) openPublisher(ctx context.Context, cfg publish.Config) (p *publish.Kafka, err error) {
	cfg.Metrics, cfg.Tracer = b.admin.Registry(), b.tracer
	err = b.reach(ctx, "kafka", func(ctx context.Context) error {
		p, err = publish.OpenKafka(ctx, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("publisher", p.Close)
	b.admin.Check("kafka", p.Ready)
	return p, nil
}

// openAsker opens logic's way to the comets.
func (b *base) openAsker(dial ask.Dial) logic.Asker {
	comets := ask.New(dial)
	b.opened.add("ways to comets", func(context.Context) error { comets.Close(); return nil })
	return comets
}

// openLogic starts logic over what cfg names.
func (b *base) openLogic(ctx context.Context, f *LogicFlags, cfg logic.Config) (*logic.Service, error) {
	door, err := b.openAuth(ctx, &f.AuthFlags)
	if err != nil {
		return nil, err
	}
	if cfg.Devices, err = logic.ParseDevices(f.Devices); err != nil {
		return nil, ops.Usagef("--devices: %v", err)
	}
	cfg.Auth, cfg.Receiver = door.auth, door.receiver
	cfg.Heartbeat, cfg.PushTTL = f.Heartbeat, f.PushTTL
	cfg.Limits.BodyBytes = f.MaxBody
	cfg.Nodes = balance.Advice{Domain: f.Domain, Heartbeat: f.Heartbeat}
	if cfg.Nodes.Atlas, err = f.atlas(); err != nil {
		return nil, err
	}
	cfg.Log, cfg.Metrics = b.log, b.admin.Registry()
	svc, err := logic.New(cfg)
	if err != nil {
		return nil, err
	}
	b.opened.add("logic", func(context.Context) error { return svc.Close() })
	b.admin.Check("logic", svc.Ready)
	return svc, nil
}
