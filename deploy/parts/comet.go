package parts

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/oortim/oort/comet"
	"github.com/oortim/oort/comet/room"
	cometrpc "github.com/oortim/oort/comet/rpc"
	"github.com/oortim/oort/comet/tune"
	"github.com/oortim/oort/deploy/ops"
	opsrpc "github.com/oortim/oort/deploy/ops/rpc"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/engines"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/ident"
)

// CometFlags are the flags of a comet, alone or within serve.
type CometFlags struct {
	TCP    []string `name:"tcp" default:"127.0.0.1:3101" placeholder:"HOST:PORT" help:"Where clients connect by TCP; several with commas; empty for none. An address also in --ws serves both."`
	WS     []string `name:"ws" default:"127.0.0.1:3102" placeholder:"HOST:PORT" help:"Where clients connect by WebSocket (path /sub)."`
	Engine string   `default:"auto" placeholder:"ENGINE" help:"I/O engine: auto takes the platform's reactor (epoll, kqueue), uring needs Linux 6.1, std is a goroutine a link, gnet and netpoll are the libraries of that name. Options of an engine follow with plus, as in epoll+locked; an unknown one is answered by what there is."`
	Loops  int      `default:"0" help:"Reactor loops; 0: one a CPU."`

	PrivateFDs bool `name:"private-fds" help:"Give each loop a descriptor table of its own, so that the process may hold loops x RLIMIT_NOFILE links; the same as +private at --engine (epoll only)."`

	MaxLinks         int           `default:"0" help:"Links in all; 0: what the descriptor limit allows."`
	MaxFrame         int           `default:"4112" help:"Largest frame of a client, in bytes, header and body."`
	MaxEarly         int           `default:"16384" help:"Bytes that a link may send before it has authenticated."`
	MaxOutbox        int           `default:"65536" help:"Bytes that may wait for one link outside its room."`
	MaxRooms         int           `default:"1000000" help:"Rooms in all."`
	MaxRoom          int           `default:"0" help:"Links of one room on this comet; 0: no limit but that of links."`
	MaxPending       int           `default:"1048576" help:"Bytes that may wait for one room; above it the lowest lane is shed first."`
	MaxRing          int           `default:"1048576" help:"Bytes that a room keeps on a loop for members that lag, for each encoding and set of accepts."`
	MaxRings         int           `default:"67108864" help:"Bytes that all rooms of a loop keep for members that lag."`
	RingAge          time.Duration `default:"30s" help:"How long they are kept at most."`
	MaxLatency       time.Duration `default:"250ms" help:"A room under load rests so that messages share a write, but no message waits longer than this, or than two of the room's flushes."`
	Traces           int           `default:"16384" help:"How many of the last messages can be asked what became of them."`
	LinkRate         int           `default:"20" help:"Frames a second that a link may send."`
	LinkBurst        int           `default:"100" help:"Frames that it may send at once."`
	SourceLinks      int           `default:"0" help:"Links from one IPv4 address or IPv6 /64; 0: no limit."`
	SourceRate       int           `default:"0" help:"Connects a second from one of these; 0: no limit."`
	HandshakeTimeout time.Duration `default:"8s" help:"From accept to authenticated, at most."`
	HeartbeatTimeout time.Duration `default:"6m" help:"How long a link may be silent."`
	WriteTimeout     time.Duration `default:"30s" help:"How long a link may take nothing of what waits for it."`
	DrainWindow      time.Duration `default:"5s" help:"At the end, links are told to go spread over this time."`
	ProxyFrom        []string      `placeholder:"CIDR" help:"Expect a PROXY header (v1, v2) on each link, and only from these sources."`
	Origins          []string      `placeholder:"ORIGIN" help:"Origins whose pages may open a WebSocket, exact; default: any."`
	RequireOrigin    bool          `help:"Refuse a WebSocket without Origin."`
}

// reserve is how many descriptors of a table are kept for everything that is no
// link.
const reserve = 256

func (f *CometFlags) config(server ident.Server, log *slog.Logger) (comet.Config, error) {
	engine, err := f.engine()
	if err != nil {
		return comet.Config{}, err
	}
	cfg := comet.Config{
		Server: server, Loops: f.Loops, Origins: f.Origins, RequireOrigin: f.RequireOrigin, Log: log,
		Engine: func(o poller.Options) (poller.Engine, error) { return engines.Open(engine, o) },
		Limits: comet.Limits{
			Links: f.links(engine), Frame: f.MaxFrame, Early: f.MaxEarly, Outbox: f.MaxOutbox, Rooms: f.MaxRooms,
			Traces: f.Traces, Members: f.MaxRoom,
			Room: room.Limits{
				Pending: f.MaxPending, Ring: f.MaxRing, Rings: f.MaxRings, Age: f.RingAge, MaxLatency: f.MaxLatency,
			},
			Rate: f.LinkRate, Burst: f.LinkBurst, SourceLinks: f.SourceLinks, SourceRate: f.SourceRate,
		},
		Times: comet.Times{
			Handshake: f.HandshakeTimeout, Heartbeat: f.HeartbeatTimeout, Write: f.WriteTimeout,
		},
	}
	cfg.TCP, cfg.WS = some(f.TCP), some(f.WS)
	if err := checkAddrs("tcp", cfg.TCP...); err != nil {
		return cfg, err
	}
	if err := checkAddrs("ws", cfg.WS...); err != nil {
		return cfg, err
	}
	for _, s := range f.ProxyFrom {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return cfg, ops.Usagef("--proxy-from: %v", err)
		}
		cfg.Proxy = append(cfg.Proxy, p)
	}
	return cfg, nil
}

// engine is the spec of the engine that is asked for.
func (f *CometFlags) engine() (spec string, err error) {
	spec = f.Engine
	if options, ok := strings.CutPrefix(spec, "auto"); ok && (options == "" || options[0] == '+') {
		spec = options
	}
	if err := engines.Check(spec); err != nil {
		return "", ops.Usagef("--engine %q: %w", f.Engine, err)
	}
	if !f.PrivateFDs || private(spec) {
		return spec, nil
	}
	spec += "+private"
	if err := engines.Check(spec); err != nil {
		return "", ops.Usagef("--private-fds with --engine %q: %w", f.Engine, err)
	}
	return spec, nil
}

// private says whether each loop of an engine has a descriptor table of its own.
func private(spec string) bool { return slices.Contains(strings.Split(spec, "+"), "private") }

// some leaves out what is empty: --tcp "" means none.
func some(list []string) (out []string) {
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// links is the limit of links: a link is a descriptor, of the process or of its
// loop.
func (f *CometFlags) links(engine string) int {
	if f.MaxLinks > 0 {
		return f.MaxLinks
	}
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		return 0
	}
	const most = 1 << 24
	links := max(int(min(lim.Cur, most))-reserve, 64)
	if private(engine) {
		loops := f.Loops
		if loops == 0 {
			loops = runtime.NumCPU()
		}
		links = min(links*loops, most)
	}
	return links
}

// Comet is `oort comet`.
type Comet struct {
	ops.AdminFlags
	CometFlags
	GRPCListenFlags
	DoorFlags
	TraceFlags
	Name         string   `help:"Name of this comet, unique in the cluster, kept over restarts. Default: the host's."`
	GRPC         string   `name:"grpc" default:"127.0.0.1:3109" placeholder:"HOST:PORT" help:"Where jobs reach this comet."`
	Logic        []string `default:"127.0.0.1:3119" placeholder:"HOST:PORT" help:"Logic's gRPC addresses."`
	AdvertiseTCP string   `name:"advertise-tcp" placeholder:"HOST[:PORT]" help:"Where clients are told to connect; default: --tcp."`
	AdvertiseWS  string   `name:"advertise-ws" placeholder:"HOST[:PORT]" help:"The same for WebSocket; default: --ws."`
	AdvertiseRPC string   `name:"advertise-grpc" placeholder:"HOST:PORT" help:"Where jobs are told to connect; default: --grpc."`
	Region       string   `help:"Region, for the balancer."`
	Weight       uint32   `default:"1" help:"Share of new links relative to other comets."`
}

// Examples are shown by --help.
func (*Comet) Examples() string {
	return `
oort comet --name c1 --tcp 0.0.0.0:3101 --ws 0.0.0.0:3102 --grpc 10.0.0.5:3109 --logic 10.0.0.1:3119,10.0.0.2:3119 --grpc-cert /etc/oort/comet.pem --grpc-key /etc/oort/comet.key --grpc-ca /etc/oort/ca.pem
oort comet --name c1 --jwks https://login.example.com/keys --jwt-alg ES256 --jwt-audience oort     # turn bad tokens away without asking logic
OORT_ENGINE=std oort comet --name c2`
}

// Run runs a comet until ctx is over.
func (c *Comet) Run(ctx context.Context, log *slog.Logger, level *slog.LevelVar, out io.Writer) error {
	server, err := serverID(c.Name)
	if err != nil {
		return err
	}
	cfg, err := c.config(server, log)
	if err != nil {
		return err
	}
	b, err := openBase(c.AdminFlags, log, level, out)
	if err != nil {
		return err
	}
	defer b.opened.close()
	if err := b.openTracing(&c.TraceFlags, 0, "oort-comet", string(server)); err != nil {
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
	if cfg.Door, err = b.openDoor(ctx, &c.DoorFlags); err != nil {
		return err
	}
	toLogic, err := ways.dial(c.Logic...)
	if err != nil {
		return ops.Usagef("--logic: %v", err)
	}
	b.opened.add("connection to logic", func(context.Context) error { return toLogic.Close() })
	advert := cometrpc.Advert{
		Server: server, GRPC: orAddr(c.AdvertiseRPC, rpc.addr), TCP: c.AdvertiseTCP, WS: c.AdvertiseWS,
		Region: c.Region, Weight: c.Weight,
	}
	s, err := b.openComet(cfg, toLogic, advert, c.DrainWindow)
	if err != nil {
		return err
	}
	cometpb.RegisterCometServer(rpc.server, cometrpc.NewServer(s, cometrpc.Options{Tracer: b.tracer}))
	rpc.start()
	ok, err := b.until(ctx, s.Ready)
	if err != nil {
		return fmt.Errorf("%w; use another --auth at logic, or --auth-open-public", err)
	}
	if ok {
		b.ready("tcp", s.TCPAddr(), "ws", s.WSAddr(), "grpc", rpc.addr)
	}
	return b.wait(ctx)
}

func orAddr(told, own string) string {
	if told != "" {
		return told
	}
	return own
}

// serverID makes the name of a process that starts now.
func serverID(name string) (ident.Server, error) {
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", err
		}
		name = strings.ToLower(host)
	}
	server := ident.NewServer(name, time.Now())
	if _, err := ident.ParseServer(string(server)); err != nil {
		return "", ops.Usagef("--name: %v", err)
	}
	return server, nil
}

// openComet starts a comet that reaches logic over cc. At the end it is
// drained, then stopped.
func (b *base) openComet(cfg comet.Config, cc grpc.ClientConnInterface, advert cometrpc.Advert, window time.Duration) (*comet.Server, error) {
	b.tuneCollector()
	tune.Procs(cfg.Loops)
	logic := cometrpc.NewLogic(cc, advert)
	s, err := comet.Open(cfg, logic)
	if err != nil {
		logic.Close()
		return nil, err
	}
	b.admin.Registry().MustRegister(s)
	b.admin.Check("comet", s.Ready)
	b.opened.add("way to logic", func(context.Context) error { logic.Close(); return nil })
	b.opened.add("comet", s.Stop)
	b.opened.add("links", func(context.Context) error {
		ctx, cancel := context.WithTimeout(context.Background(), window+2*time.Second)
		defer cancel()
		return s.Drain(ctx, window)
	})
	return s, nil
}

// tuneCollector has the collector run less often than Go would, until the end.
func (b *base) tuneCollector() {
	stop := tune.Collector()
	b.opened.add("collector's tuning", func(context.Context) error { stop(); return nil })
}

// rpcServer is a gRPC server that listens but does not serve yet, so that its
// address is known before its services are.
type rpcServer struct {
	server *grpc.Server
	addr   string
	start  func()
}

// serveRPC listens; plaintext without creds.
func (b *base) serveRPC(addr string, creds credentials.TransportCredentials) (*rpcServer, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := opsrpc.NewServer(opsrpc.ServerConfig{Credentials: creds, Log: b.log, Metrics: b.admin.Registry()})
	b.opened.add("gRPC", func(ctx context.Context) error {
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		opsrpc.Stop(soon, s)
		l.Close() // of no effect if it was serving
		return nil
	})
	return &rpcServer{server: s, addr: l.Addr().String(), start: func() {
		go func() {
			if err := s.Serve(l); err != nil {
				b.failed <- err
			}
		}()
	}}, nil
}
