// Package broker is the Kafka-protocol broker that oort brings along, for
// `oort serve`, for tests and for trials. It is the one place that knows
// kfake: everybody else sees a broker address and speaks Kafka to it, so that
// a real cluster can stand in its place without a change.
//
// Where it is less than Kafka: one node, no replicas; and a SIGKILL makes it
// forget which batches of which producer it has, which Kafka finds again in its
// log. So when the broker alone is killed, a producer that repeats a batch whose
// answer was lost may store it twice (seen: one push of 34,000 in five kills, and
// none lost). In `oort serve` producer and broker die together, and nobody repeats.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Errors of Open.
var (
	// ErrInUse: another process has the data directory open.
	ErrInUse = errors.New("broker: data directory is in use")
	// ErrUnspecified: the listen address names no single address. A broker
	// tells its clients where to come back to, and 0.0.0.0 is nowhere.
	ErrUnspecified = errors.New("broker: listen address must name one address")
)

// Config of a broker. The zero value of a field means its default.
type Config struct {
	// Listen is the address to listen on, "host:port"; port 0 gets one.
	// It is also what clients are told to dial, so it names one address.
	// Zero means "127.0.0.1:0".
	Listen string
	// Advertise is the address that clients are told to dial, for a broker that
	// somebody stands in front of. Zero means where it listens.
	Advertise string
	// Private keeps the broker within this process: it opens no port, Listen is
	// not looked at, and clients reach it by Dial. That spares each request its
	// way through the kernel's network, and the machine a port.
	Private bool
	// DataDir keeps topics, records and group offsets. What was acknowledged
	// survives a SIGKILL of this process; for power loss see SyncWrites. The
	// directory is made if it is absent and belongs to one broker at a time.
	// Zero means that everything is kept in memory.
	DataDir string
	// SyncWrites forces each batch to the disk before it is acknowledged. It
	// costs about 0.4 ms a push and is what survives a loss of power.
	SyncWrites bool
	// Partitions of a topic that is made without a number of its own. Zero
	// means 8.
	Partitions int
	// Retention is how long records are kept. Zero means one hour: a push is
	// worth little by then, and the disk belongs to somebody.
	Retention time.Duration
	// Log is told of what went wrong. Zero means nobody is.
	Log func(format string, args ...any)
}

// Broker is a running broker of one node.
type Broker struct {
	cluster *kfake.Cluster        // immutable after Open
	addr    string                // immutable after Open
	lock    *os.File              // immutable after Open; nil without a directory
	private *kfake.VirtualNetwork // immutable after Open; nil with a port

	stop  chan struct{} // closed by Close
	swept chan struct{} // closed when the sweeper has ended
	once  sync.Once
}

// Open starts a broker and returns when clients can reach it. What an earlier
// broker left in DataDir is there again.
func Open(cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	b := &Broker{stop: make(chan struct{}), swept: make(chan struct{})}
	listen := func(network, _ string) (net.Listener, error) { return listenAs(network, cfg.Listen, cfg.Advertise) }
	if cfg.Private {
		b.private = new(kfake.VirtualNetwork)
		listen = func(network, _ string) (net.Listener, error) { return b.private.Listen(network, privateAddr) }
	} else if err := checkListen(cfg.Listen); err != nil {
		return nil, err
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if cfg.DataDir != "" && !cfg.Private { // whose producers end with it
		if err := restoreWindows(cfg.DataDir); err != nil {
			unlock(lock)
			return nil, err
		}
	}
	cluster, err := kfake.NewCluster(append(cfg.options(), kfake.ListenFn(listen))...)
	if err != nil {
		unlock(lock)
		return nil, fmt.Errorf("broker: open %q: %w", cfg.Listen, err)
	}
	b.cluster, b.addr, b.lock = cluster, cluster.ListenAddrs()[0], lock
	go b.sweep(cfg.Retention)
	return b, nil
}

// listenAs listens at addr and says that it listens at advertise, which is what
// kfake tells its clients.
func listenAs(network, addr, advertise string) (net.Listener, error) {
	l, err := net.Listen(network, addr)
	if err != nil || advertise == "" {
		return l, err
	}
	as, err := net.ResolveTCPAddr(network, advertise)
	if err != nil {
		l.Close()
		return nil, err
	}
	return advertised{l, as}, nil
}

type advertised struct {
	net.Listener
	as net.Addr
}

func (a advertised) Addr() net.Addr { return a.as }

// privateAddr is the one address of a private broker's own network.
const privateAddr = "localhost:9092"

// Dial connects to the broker, whether it has a port or is private. Give it to
// clients of a private one as their way to dial.
func (b *Broker) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if b.private != nil {
		return b.private.DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// Addr is the address to give to clients as their seed broker.
func (b *Broker) Addr() string { return b.addr }

// Close writes down what a clean stop leaves behind and stops listening.
// Idempotent.
func (b *Broker) Close() {
	b.once.Do(func() {
		close(b.stop)
		<-b.swept
		b.cluster.Close()
		unlock(b.lock)
	})
}

// sweep deletes what is older than retention. kfake has a ticker of its own
// for that, but only for topics that say so one by one, and once an hour.
func (b *Broker) sweep(retention time.Duration) {
	defer close(b.swept)
	t := time.NewTicker(min(max(retention/8, time.Second), time.Minute))
	defer t.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-t.C:
			b.cluster.ApplyRetention()
		}
	}
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Partitions == 0 {
		c.Partitions = 8
	}
	if c.Retention == 0 {
		c.Retention = time.Hour
	}
	return c
}

func (c Config) options() []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("oort"),
		kfake.DefaultNumPartitions(c.Partitions),
		// A job that was killed keeps its partitions until its session times
		// out; a broker on loopback need not be as patient as one across a WAN.
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.ms": strconv.FormatInt(c.Retention.Milliseconds(), 10),
		}),
	}
	if c.DataDir != "" {
		opts = append(opts, kfake.DataDir(c.DataDir))
	}
	if c.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	if c.Log != nil {
		opts = append(opts, kfake.WithLogger(logger(c.Log)))
	}
	return opts
}

// logger hands kfake's warnings on and keeps its chatter to itself.
type logger func(format string, args ...any)

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level <= kfake.LogLevelWarn {
		l(format, args...)
	}
}

func checkListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("broker: listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf("%w, not %q", ErrUnspecified, addr)
	}
	return nil
}
