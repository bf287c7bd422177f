package scenario

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/oortim/oort/bench/chaos/fleet"
	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/report"
	"github.com/oortim/oort/bench/server"
	"github.com/oortim/oort/bench/suite"
	"github.com/oortim/oort/bench/swarm"
)

// MillionCommand is `oort bench million`: one round of Million.
type MillionCommand struct {
	Million `embed:""`
	Loops   int    `default:"0" help:"Reactor loops of the comet; 0: as many as the links need descriptor tables."`
	JSON    string `name:"json" placeholder:"FILE" type:"path" help:"Write the results as JSON."`
	HTML    string `name:"html" placeholder:"FILE" type:"path" help:"Write the results as one HTML page."`
	CPUDir  string `name:"cpu-profiles" placeholder:"DIR" type:"path" help:"Write a CPU profile of the comet's process while links log in there."`
}

// Run measures once.
func (c *MillionCommand) Run(ctx context.Context, out io.Writer) error {
	f := suite.Flags{Repeat: 1, Loops: c.Loops, JSON: c.JSON, HTML: c.HTML, CPUDir: c.CPUDir}
	return f.Measure(ctx, out, os.Stderr, c.Million)
}

// Million fills one comet with links that authenticate, holds them, and sends
// them all one message.
type Million struct {
	Links     int           `default:"1000000" help:"Links, each with a key and a mid of its own."`
	Rooms     int           `default:"1" help:"Rooms that they are spread over."`
	Sessions  string        `enum:"redis,memory,serve" default:"redis" help:"redis: logic in a process of its own, its sessions in Redis; memory: in logic's memory (oort logic --sessions memory); serve: logic and sessions in the comet's process, as in oort serve."`
	UnderWay  int           `default:"512" help:"Links that log in at a time."`
	Heartbeat time.Duration `default:"5m" help:"Interval of a link's heartbeats."`
	Hold      time.Duration `default:"10m" help:"How long the links are held while they send heartbeats."`
	Pushes    int           `default:"3" help:"Messages to all, one after the other, and as many rounds of bare sends, by turns."`
	Yield     int           `default:"19" help:"By how much clients, logic and Redis are nicer than the comet (nice(1)), which would have a host of its own."`
	Kfake     string        `placeholder:"FILE" help:"The kfake to run (go build ./deploy/kfake). Default: the one beside this oort."`
}

// Examples are shown by --help.
func (Million) Examples() string {
	return `
oort bench million
oort bench million --sessions memory --hold 1m
oort bench million --sessions serve --hold 1m
oort bench million --links 100000 --hold 20s --heartbeat 10s`
}

// Name is of suite.Scenario.
func (Million) Name() string { return "million" }

// About is of suite.Scenario.
func (Million) About() string {
	return "One comet with a descriptor table a loop, and beside it on the same machine what lets links in and the links' other ends: " +
		"how fast they log in, what a link occupies, how long the collector stops the world at most, heartbeats, " +
		"and one message to all, beside bare send(2) of the same bytes on the same sockets, both until the last client has it."
}

// Engines is of suite.Choosy.
func (Million) Engines() []string { return []string{"epoll+private"} }

// Validate refuses what could not mean anything.
func (s Million) Validate() error {
	if s.Links < 1 || s.Rooms < 1 || s.UnderWay < 1 || s.Pushes < 0 || s.Heartbeat <= 0 || s.Hold < 0 || s.Yield < 0 {
		return fmt.Errorf("--links, --rooms, --under-way and --heartbeat must be positive, --pushes, --hold and --yield not negative")
	}
	return nil
}

// Points is of suite.Scenario.
func (s Million) Points() []suite.Point { return []suite.Point{s} }

// Settings is of suite.Point.
func (s Million) Settings() []report.Setting {
	return []report.Setting{
		report.Is("links", s.Links), report.Is("rooms", s.Rooms), report.Is("sessions", s.Sessions), report.Is("heartbeat", s.Heartbeat),
		report.Is("hold", s.Hold), report.Is("yield", s.Yield),
	}
}

// linksALoop is what fits a loop's descriptor table of 20,000 before it is
// passed over.
const linksALoop = 18_000

// Round is of suite.Point.
func (s Million) Round(ctx context.Context, r *suite.Round) error {
	if r.Loops == 0 {
		r.Loops = s.Links/linksALoop + 1
	}
	m := &million{Million: s}
	defer m.close()
	if err := m.open(ctx, r); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{m.bareLogins, m.login, m.hold, m.pushes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	r.Phase("ending")
	r.Discard(m.server.Child)
	r.Discard(m.swarm.Child)
	return nil
}

// million is one round.
type million struct {
	Million
	*rig
	cluster *fleet.Fleet // Redis, Kafka and logic; nil with --sessions serve
	dir     string       // of the cluster
	floor   bareLogin
	empty   weight // before the first link
}

func (m *million) close() {
	if m.cluster != nil {
		m.cluster.Kill()
	}
	_ = os.RemoveAll(m.dir)
}

// open starts the cluster, the comet and its clients.
func (m *million) open(ctx context.Context, r *suite.Round) (err error) {
	var flags []string
	if m.Sessions != "serve" {
		r.Phase("starting Redis, Kafka and logic")
		if err := m.openCluster(ctx); err != nil {
			return err
		}
		flags = append(flags, "--logic-at="+m.cluster.LogicRPC(0))
	}
	if m.rig, err = openRig(ctx, r, append(flags, "--heartbeat="+(m.Heartbeat*3/2).String())...); err != nil {
		return err
	}
	return m.yield()
}

// clusterBase begins the addresses of the cluster's parts.
const clusterBase = "127.0.6"

func (m *million) openCluster(ctx context.Context) (err error) {
	o := fleet.Options{Base: clusterBase, Kfake: m.Kfake, Logics: 1, Comets: -1, Jobs: -1, Volatile: true,
		LogicFlags: []string{"--heartbeat", m.Heartbeat.String(), "--sessions", m.Sessions}}
	if o.Oort, err = os.Executable(); err != nil {
		return fmt.Errorf("million: own binary: %w", err)
	}
	if o.Kfake, err = fleet.FindKfake(o.Kfake, "", o.Oort); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if m.dir, err = os.MkdirTemp("", "oort-million-"); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	o.Dir = m.dir
	cluster, err := fleet.New(o)
	if err != nil {
		return err
	}
	m.cluster = cluster
	return cluster.Start(ctx)
}

// parts are the cluster's processes.
func (m *million) parts() []*fleet.Part {
	if m.cluster == nil {
		return nil
	}
	return m.cluster.Parts
}

// yield lowers the priority of all but the comet.
func (m *million) yield() error {
	if m.Yield == 0 {
		return nil
	}
	for _, p := range m.parts() {
		if err := measure.OpenProcess(p.Pid()).Nice(m.Yield); err != nil {
			return err
		}
	}
	return measure.OpenProcess(m.swarm.Pid()).Nice(m.Yield)
}

// Metrics of logins.
const (
	logins   = "logins"
	cpuLogin = "CPU a login"
)

// bareLogin is what the least cost that could be called a login: a connect, a
// frame of the client, and an answer that is always the same.
type bareLogin struct {
	rate float64 // a second
	cpu  float64 // µs, of both ends
}

// bareLinks are let in for the floor. The door has the descriptors of one
// process.
const bareLinks = 10_000

// bareLogins lets links in by bare system calls of one thread in the comet's
// process, in the minute before the logins and with the same clients, and hangs
// up on them.
func (m *million) bareLogins(ctx context.Context) error {
	m.Phase("bare logins")
	at, err := m.server.Door(ctx)
	if err != nil {
		return err
	}
	dial := func(links int) (reply swarm.DialReply, err error) {
		return m.dial(ctx, swarm.DialArgs{Addrs: []string{at.Addr}, Links: links, Rooms: m.Rooms, Key: "nobody-", UnderWay: m.UnderWay})
	}
	n := min(m.Links, bareLinks)
	if _, err := dial(n/10 + 1); err != nil { // the first warm it up
		return err
	}
	var reply swarm.DialReply
	used, _, err := m.spent(func() (err error) {
		reply, err = dial(n)
		return err
	})
	if err != nil {
		return err
	}
	m.floor = bareLogin{rate: perSecond(n, reply.Took), cpu: per(used.server+used.swarm, n)}
	if err := m.swarm.Part(ctx, swarm.CloseArgs{Reset: true}); err != nil {
		return err
	}
	if _, err := m.server.Door(ctx); err != nil {
		return err
	}
	m.links = 0
	if err := m.swarm.Reset(ctx, swarm.ResetArgs{}); err != nil {
		return err
	}
	m.empty, err = m.weigh(ctx)
	return err
}

// login dials all links, and reads what that cost and what they occupy.
func (m *million) login(ctx context.Context) error {
	before, err := m.cpus()
	if err != nil {
		return err
	}
	var reply swarm.DialReply
	if err := m.profiled(ctx, func() (err error) {
		reply, err = m.dial(ctx, swarm.DialArgs{Addrs: m.at("tcp"), Links: m.Links, Rooms: m.Rooms, Key: "device-", UnderWay: m.UnderWay})
		return err
	}); err != nil {
		return err
	}
	after, err := m.cpus()
	if err != nil {
		return err
	}
	c := m.Case
	c.Add(logins, "/s", report.Higher, perSecond(m.Links, reply.Took))
	c.AddFloor(logins, m.floor.rate)
	c.AddLatency("login", reply.Join)
	c.Add("tried again", "", report.Lower, float64(reply.Retries))
	var all time.Duration
	for i, p := range after {
		all += p.used - before[i].used
		c.Add(cpuLogin+", "+p.name, "µs", "", per(p.used-before[i].used, m.Links))
	}
	c.Add(cpuLogin, "µs", report.Lower, per(all, m.Links))
	c.AddFloor(cpuLogin, m.floor.cpu)
	return m.occupied(ctx)
}

// used is the processor time of one process.
type used struct {
	name string
	used time.Duration
}

// cpus reads what each process has used.
func (m *million) cpus() (all []used, err error) {
	pids := []struct {
		name string
		pid  int
	}{{"comet", m.server.Pid()}, {"clients", m.swarm.Pid()}}
	for _, p := range m.parts() {
		pids = append(pids, struct {
			name string
			pid  int
		}{p.Name, p.Pid()})
	}
	for _, p := range pids {
		d, err := measure.OpenProcess(p.pid).CPU()
		if err != nil {
			return nil, err
		}
		all = append(all, used{p.name, d})
	}
	return all, nil
}

// occupied reads memory as it is, garbage included: nothing is collected for
// the sake of the figure.
func (m *million) occupied(ctx context.Context) error {
	now, err := measure.OpenProcess(m.server.Pid()).Memory()
	if err != nil {
		return err
	}
	kernel, err := measure.ReadKernel()
	if err != nil {
		return err
	}
	s, err := m.server.Stats(ctx, server.StatsArgs{})
	if err != nil {
		return err
	}
	c := m.Case
	c.Add("RSS a link", "B", report.Lower, float64(now.RSS-m.empty.server.RSS)/float64(m.Links))
	c.Add("RSS of the comet", "MB", "", float64(now.RSS)/1e6)
	c.Add("kernel a link, both ends", "B", "", float64(kernel.Slab-m.empty.kernel.Slab)/float64(m.Links))
	c.Add("collections at login", "", report.Lower, float64(s.GCs-m.empty.stats.GCs))
	c.Add("longest stop at login", "µs", report.Lower, per(s.LongestStop, 1))
	return nil
}

// hold keeps the links, which send heartbeats.
func (m *million) hold(ctx context.Context) error {
	if m.Hold == 0 {
		return nil
	}
	m.Phase("heartbeats every %v for %v", m.Heartbeat, m.Hold)
	before, err := m.server.Stats(ctx, server.StatsArgs{})
	if err != nil {
		return err
	}
	b, err := m.beat(ctx, float64(m.Links)/m.Heartbeat.Seconds(), m.Hold)
	if err != nil {
		return err
	}
	after, err := m.server.Stats(ctx, server.StatsArgs{})
	if err != nil {
		return err
	}
	c := m.Case
	c.Add("heartbeats", "", "", float64(b.got.Beats))
	c.AddLatency("heartbeat", b.got.BeatLatency)
	c.Add("CPU a heartbeat", "µs", report.Lower, per(b.used.server, b.got.BeatReplies))
	c.Add("collections while held", "", report.Lower, float64(after.GCs-before.GCs))
	c.Add("longest stop", "µs", report.Lower, per(after.LongestStop, 1))
	return m.awaitLive(ctx, m.Links)
}

// pushes sends one message to all, and the same bytes by bare system calls,
// several times by turns.
func (m *million) pushes(ctx context.Context) error {
	for i := range m.Pushes {
		m.Phase("message %d of %d to all", i+1, m.Pushes)
		if err := inTurns(i+1, func() error { return m.push(ctx) }, func() error { return m.bare(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// Metrics of one message.
const (
	toAll    = "one message to all"
	cpuToAll = "CPU a write"
)

func (m *million) push(ctx context.Context) error {
	d, err := m.deliver(ctx, server.PushArgs{Rooms: m.Rooms, Count: 1})
	if err != nil {
		return err
	}
	m.Case.Add(toAll, "ms", report.Lower, 1e3*d.took.Seconds())
	m.Case.Add(cpuToAll, "µs", report.Lower, per(d.used.server, d.writes))
	return nil
}

// bare takes the time as deliver does: from the first send to the last arrival.
func (m *million) bare(ctx context.Context) error {
	m.run++
	if err := m.swarm.Reset(ctx, swarm.ResetArgs{Run: m.run}); err != nil {
		return err
	}
	f, err := m.server.Floor(ctx, server.PushArgs{Run: m.run, Count: 1})
	if err != nil {
		return err
	}
	sent := time.Now()
	if f.Sockets != m.links || f.Short > 0 {
		return fmt.Errorf("floor: %d sockets of %d links, %d calls short", f.Sockets, m.links, f.Short)
	}
	if err := m.settle(ctx, int64(m.links)); err != nil {
		return err
	}
	took := f.Took + time.Since(sent)
	got, err := m.swarm.Counts(ctx)
	if err != nil {
		return err
	}
	m.check(got, int64(m.links), 1)
	m.Case.AddFloor(toAll, 1e3*took.Seconds())
	m.Case.AddFloor(cpuToAll, per(f.CPU, f.Sent))
	return nil
}
