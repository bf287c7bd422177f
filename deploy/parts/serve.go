package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"

	"github.com/oortim/oort/comet"
	cometrpc "github.com/oortim/oort/comet/rpc"
	"github.com/oortim/oort/deploy/broker"
	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/produce"
	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/publish"
	logicrpc "github.com/oortim/oort/logic/rpc"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/cometpb"
	"github.com/oortim/oort/proto/kafka"
)

// Serve is `oort serve`.
type Serve struct {
	ops.AdminFlags
	CometFlags
	LogicFlags
	TraceFlags
	Data       string `placeholder:"DIR" help:"Directory of the embedded broker; what was pushed survives a crash there. Default: a temporary one, removed at the end."`
	SyncWrites bool   `help:"Force each push to the disk before it is answered: survives a loss of power, costs about half a millisecond a push."`
}

// Examples are shown by --help.
func (*Serve) Examples() string {
	return `
oort serve
oort serve --data ./data --tcp 127.0.0.1:4101 --ws 127.0.0.1:4102
oort serve --tcp :3101 --ws :3102 --auth-open-public     # for a trial in a network that you trust
OORT_ENGINE=std oort serve`
}

// In one process news travels fast: what takes seconds in a cluster may be
// asked for many times a second.
const (
	nearRefresh = 50 * time.Millisecond
	nearSettle  = 4 * nearRefresh
	nearSession = 6 * time.Second
)

// inProcess is the name of the one comet, to which jobs need no address.
const inProcess = "in-process"

// Run runs all parts until ctx is over.
func (c *Serve) Run(ctx context.Context, log *slog.Logger, level *slog.LevelVar, out io.Writer) error {
	cfg, err := c.check(log)
	if err != nil {
		return err
	}
	b, err := openBase(c.AdminFlags, log, level, out)
	if err != nil {
		return err
	}
	defer b.opened.close()
	if err := b.openTracing(&c.TraceFlags, c.TraceSample, "oort-serve", string(cfg.Server)); err != nil {
		return err
	}
	k, err := b.openBroker(c.Data, c.SyncWrites)
	if err != nil {
		return err
	}
	brokers := kafka.Brokers{Seeds: []string{k.Addr()}, Dial: k.Dial}
	publisher, err := b.openPublisher(ctx, publish.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	sessions := session.NewMemory(session.TTLs{}, time.Now)
	toLogic, toComet := new(inprocgrpc.Channel), new(inprocgrpc.Channel)
	svc, err := b.openLogic(ctx, &c.LogicFlags, logic.Config{
		Sessions: sessions, Registry: sessions, Publisher: publisher, Refresh: nearRefresh, Gather: -1,
		Asker: b.openAsker(within(toComet)),
	})
	if err != nil {
		return err
	}
	logicrpc.Register(toLogic, logicrpc.New(svc, logicrpc.Options{}))
	s, err := b.openComet(cfg, toLogic, cometrpc.Advert{Server: cfg.Server, GRPC: inProcess}, c.DrainWindow)
	if err != nil {
		return err
	}
	cometpb.RegisterCometServer(toComet, cometrpc.NewServer(s, cometrpc.Options{Tracer: b.tracer}))
	j, err := b.openJob(ctx, jobConfig{
		name:     "serve",
		produce:  produce.Config{Brokers: brokers},
		consume:  consume.Config{Brokers: brokers, Instance: "serve", Session: nearSession},
		dispatch: dispatch.Config{Job: "serve", Dial: within(toComet)},
		logic:    toLogic,
		refresh:  nearRefresh,
	})
	if err != nil {
		return err
	}
	http, err := b.serveHTTP(&c.LogicFlags, svc)
	if err != nil {
		return err
	}
	ok, err := b.until(ctx, func(ctx context.Context) error { return errors.Join(s.Ready(ctx), j.Ready(ctx)) })
	if err != nil {
		return err
	}
	if ok {
		b.ready("tcp", s.TCPAddr(), "ws", s.WSAddr(), "http", http)
		c.tryThis(out, http, s.TCPAddr())
	}
	return b.wait(ctx)
}

// check refuses what would be unsafe or senseless before anything is opened.
func (c *Serve) check(log *slog.Logger) (cfg comet.Config, err error) {
	server, err := serverID("serve")
	if err != nil {
		return cfg, err
	}
	if a := beyond(some(c.TCP), some(c.WS)); a != "" && c.open() {
		return cfg, ops.Usagef("%q is not loopback, and --auth open trusts what every client says; use another, or --auth-open-public", a)
	}
	if cfg, err = c.config(server, log); err != nil {
		return cfg, err
	}
	cfg.Times.Settle, cfg.Times.Renew = nearSettle, time.Second
	return cfg, nil
}

// within is a dispatcher's dial that stays in the process.
func within(ch *inprocgrpc.Channel) func(server, addr string) (grpc.ClientConnInterface, io.Closer, error) {
	return func(_, addr string) (grpc.ClientConnInterface, io.Closer, error) {
		if addr != inProcess {
			return nil, nil, fmt.Errorf("no comet at %q in this process", addr)
		}
		return ch, io.NopCloser(nil), nil
	}
}

// openBroker starts the embedded broker, with a temporary directory unless one
// is given.
func (b *base) openBroker(dir string, sync bool) (k *broker.Broker, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "oort-"); err != nil {
			return nil, err
		}
		temporary := dir
		b.opened.add("temporary data", func(context.Context) error { return os.RemoveAll(temporary) })
	} else if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	k, err = broker.Open(broker.Config{
		Private: true, DataDir: dir, SyncWrites: sync,
		Log: func(format string, args ...any) { b.log.Warn("broker: " + fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("broker", func(context.Context) error { k.Close(); return nil })
	return k, nil
}

func (c *Serve) tryThis(out io.Writer, http, tcp string) {
	fmt.Fprintf(out, `
Try:
  %[3]s client join live://1000 --addr tcp://%[2]s
  curl -d 'hello' 'http://%[1]s/goim/push/room?operation=1000&type=live&room=1000'
  http://%[1]s/        (a live room in the browser)
`, http, tcp, program())
}

// program is how the reader has called this program.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ."
	}
	return os.Args[0]
}
