// Package fleet runs a whole cluster on one machine: redis-server, Kafka, and as
// many logics, jobs and comets as wanted, each a process with an address of its
// own in 127.0.0.0/8. `make cluster` starts one for people, `oort bench chaos`
// one to break.
//
// A part keeps its addresses over restarts: outgoing connections on loopback
// come from 127.0.0.1, so the ports of another address stay free while their
// process is away.
package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options of Open. The zero value of a field means its default.
type Options struct {
	// Dir holds logs, data and the list of processes. Required.
	Dir string
	// Base is the first three bytes of the addresses. Zero means "127.0.7".
	Base string
	// Oort is the oort binary. Required.
	Oort string
	// Kfake is the binary of deploy/kfake. Required unless KafkaLibs is set.
	Kfake string
	// KafkaLibs is a directory with the jars of Apache Kafka, which is then run
	// with java. Zero means Kfake.
	KafkaLibs string
	// Logics, Jobs and Comets are how many there are. Zero means 2, 2 and 3,
	// negative none.
	Logics, Jobs, Comets int
	// CometFlags and JobFlags are further flags of every comet and job.
	CometFlags, JobFlags []string
	// Volatile has Redis keep nothing on disk. Otherwise what it answered
	// survives SIGKILL.
	Volatile bool
	// LogicFlags are further flags of the logics.
	LogicFlags []string
	// Env is added to the environment of oort's processes.
	Env []string
	// Via has the parts reach each other through other addresses, so that
	// somebody can stand between them. Zero means directly.
	Via Via
	// Stay lets the processes outlive this one. Otherwise they die with it, also
	// if it is killed (Linux).
	Stay bool
}

// Via maps the addresses of parts to those under which the others reach them.
type Via map[string]string

func (v Via) of(addr string) string {
	if other := v[addr]; other != "" {
		return other
	}
	return addr
}

// Fleet is a running cluster. Its parts are in the order of their start.
type Fleet struct {
	Parts []*Part
	// Kafka says what speaks Kafka's protocol.
	Kafka string

	o Options
}

// Ports of the parts; addresses tell the parts apart.
const (
	portRedis     = "6379"
	portKafka     = "9092"
	portTCP       = "3101"
	portWS        = "3102"
	portCometRPC  = "3109"
	portAdmin     = "3110"
	portHTTP      = "3111"
	portLogicRPC  = "3119"
	portKRaft     = "9093"
	hostRedis     = 2
	hostKafka     = 3
	hostLogic     = 11
	hostJob       = 21
	hostComet     = 31
	readyPatience = time.Minute
)

// SomeBase draws a Base, so that fleets side by side do not meet.
func SomeBase() string { return fmt.Sprintf("127.%d.%d", 32+rand.IntN(200), rand.IntN(250)) }

// FindKfake is the kfake to run: file, or if that is empty the one beside oort;
// none if there are libs of Apache Kafka.
func FindKfake(file, libs, oort string) (string, error) {
	if file != "" || libs != "" {
		return file, nil
	}
	file = filepath.Join(filepath.Dir(oort), "kfake")
	if err := Check(file); err != nil {
		return "", fmt.Errorf("fleet: no broker: %w; build one (go build -o %s ./deploy/kfake) or give --kfake or --kafka-libs", err, file)
	}
	return file, nil
}

// New lays a cluster out; Start starts it.
func New(o Options) (*Fleet, error) {
	if o.Base == "" {
		o.Base = "127.0.7"
	}
	o.Logics, o.Jobs, o.Comets = number(o.Logics, 2), number(o.Jobs, 2), number(o.Comets, 3)
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	o.Dir = dir
	f := &Fleet{o: o}
	f.layout()
	return f, os.MkdirAll(filepath.Join(dir, "logs"), 0o755)
}

// number of parts that an option asks for.
func number(asked, usual int) int {
	if asked == 0 {
		return usual
	}
	return max(asked, 0)
}

func (f *Fleet) at(host int, port string) string {
	return fmt.Sprintf("%s.%d:%s", f.o.Base, host, port)
}

// Addresses that clients, pushers and whoever stands between parts want.
func (f *Fleet) RedisAddr() string            { return f.at(hostRedis, portRedis) }
func (f *Fleet) KafkaAddr() string            { return f.at(hostKafka, portKafka) }
func (f *Fleet) CometTCP(i int) string        { return "tcp://" + f.at(hostComet+i, portTCP) }
func (f *Fleet) CometWS(i int) string         { return "ws://" + f.at(hostComet+i, portWS) + "/sub" }
func (f *Fleet) CometRPC(i int) string        { return f.at(hostComet+i, portCometRPC) }
func (f *Fleet) LogicHTTP(i int) string       { return "http://" + f.at(hostLogic+i, portHTTP) }
func (f *Fleet) LogicRPC(i int) string        { return f.at(hostLogic+i, portLogicRPC) }
func (f *Fleet) Comets() int                  { return f.o.Comets }
func (f *Fleet) Logics() int                  { return f.o.Logics }
func (f *Fleet) Dir() string                  { return f.o.Dir }
func (f *Fleet) data(name string) string      { return filepath.Join(f.o.Dir, "data", name) }
func (f *Fleet) logicAddrs() string           { return f.each(f.o.Logics, f.LogicRPC) }
func (f *Fleet) via(addr string) string       { return f.o.Via.of(addr) }
func (f *Fleet) oort(args ...string) []string { return append([]string{f.o.Oort}, args...) }

func (f *Fleet) each(n int, addr func(int) string) string {
	var all []string
	for i := range n {
		all = append(all, f.via(addr(i)))
	}
	return strings.Join(all, ",")
}

// layout makes the parts, in the order in which they need each other.
func (f *Fleet) layout() {
	f.add(f.redis())
	f.add(f.kafka())
	for i := range f.o.Logics {
		f.add(f.logic(i))
	}
	for i := range f.o.Comets {
		f.add(f.comet(i))
	}
	for i := range f.o.Jobs {
		f.add(f.job(i))
	}
}

func (f *Fleet) add(p *Part) {
	p.log = filepath.Join(f.o.Dir, "logs", p.Name+".log")
	p.stay = f.o.Stay
	f.Parts = append(f.Parts, p)
}

// redis appends each write to a file, unless it is volatile.
func (f *Fleet) redis() *Part {
	onDisk := "yes"
	if f.o.Volatile {
		onDisk = "no"
	}
	return &Part{Name: "redis", Kind: Redis, Ready: pingRedis(f.RedisAddr()), makes: f.data("redis"), argv: []string{
		"redis-server", "--bind", fmt.Sprintf("%s.%d", f.o.Base, hostRedis), "--port", portRedis,
		"--dir", f.data("redis"), "--save", "", "--appendonly", onDisk}}
}

func (f *Fleet) kafka() *Part {
	if f.o.KafkaLibs != "" {
		f.Kafka = "Apache Kafka, jars of " + f.o.KafkaLibs
		return f.apache()
	}
	f.Kafka = "kfake, franz-go's broker of one process, in place of Apache Kafka"
	return &Part{Name: "kafka", Kind: Kafka, Ready: dials(f.KafkaAddr()), makes: f.data("kafka"), argv: []string{
		f.o.Kfake, "--listen", f.KafkaAddr(), "--advertise", f.via(f.KafkaAddr()), "--data", f.data("kafka")}}
}

func (f *Fleet) logic(i int) *Part {
	flags := []string{"logic", "--http", f.at(hostLogic+i, portHTTP), "--grpc", f.LogicRPC(i),
		"--redis", f.via(f.RedisAddr()), "--kafka", f.via(f.KafkaAddr())}
	return f.ours(fmt.Sprintf("logic-%d", i+1), Logic, hostLogic+i, append(flags, f.o.LogicFlags...)...)
}

func (f *Fleet) comet(i int) *Part {
	name := fmt.Sprintf("comet-%d", i+1)
	return f.ours(name, Comet, hostComet+i, append([]string{"comet", "--name", name,
		"--tcp", f.at(hostComet+i, portTCP), "--ws", f.at(hostComet+i, portWS),
		"--grpc", f.CometRPC(i), "--advertise-grpc", f.via(f.CometRPC(i)), "--logic", f.logicAddrs()}, f.o.CometFlags...)...)
}

func (f *Fleet) job(i int) *Part {
	name := fmt.Sprintf("job-%d", i+1)
	return f.ours(name, Job, hostJob+i, append([]string{"job", "--name", name, "--static", name,
		"--kafka", f.via(f.KafkaAddr()), "--logic", f.logicAddrs()}, f.o.JobFlags...)...)
}

func (f *Fleet) ours(name string, kind Kind, host int, args ...string) *Part {
	admin := f.at(host, portAdmin)
	return &Part{Name: name, Kind: kind, Admin: "http://" + admin, Ready: readyz("http://" + admin), env: f.o.Env,
		argv: f.oort(append(args, "--admin", admin)...)}
}

// Start starts all parts and returns when all are ready. If one fails, those
// that run are stopped.
func (f *Fleet) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	for _, p := range f.Parts {
		err := p.Start()
		// Logic waits for neither Redis nor Kafka at its start; the others wait.
		if err == nil && (p.Kind == Redis || p.Kind == Kafka) {
			err = p.WaitReady(ctx)
		}
		if err != nil {
			f.Stop()
			return err
		}
	}
	for _, p := range f.Parts {
		if err := p.WaitReady(ctx); err != nil {
			f.Stop()
			return err
		}
	}
	return nil
}

// Stop ends all parts, the last started first. Idempotent.
func (f *Fleet) Stop() {
	for i := len(f.Parts) - 1; i >= 0; i-- {
		f.Parts[i].Stop()
	}
}

// Kill ends all parts at once, for when nobody looks at how they end.
func (f *Fleet) Kill() {
	for _, p := range f.Parts {
		_ = p.Signal(syscall.SIGKILL) // all at once; Kill below waits
	}
	for _, p := range f.Parts {
		p.Kill()
	}
}

// Part of that name; nil if there is none.
func (f *Fleet) Part(name string) *Part {
	for _, p := range f.Parts {
		if p.Name == name {
			return p
		}
	}
	return nil
}
