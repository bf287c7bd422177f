package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/oortim/oort/bench/chaos/proxy"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// A process whose connections are reset while it starts is alive, not ready,
// and starts when they hold.
func TestPatientStart(t *testing.T) {
	redis, kafka := rig.StartRedis(t), rig.StartKafka(t, bin)
	at := rig.Host() + ":0"
	for name, tc := range map[string]struct {
		command, flag, broken string
		others                []string // flags
	}{
		"logic without redis": {"logic", "--redis", redis.Addr, []string{"--kafka", kafka.Addr, "--http", at, "--grpc", at}},
		"logic without kafka": {"logic", "--kafka", kafka.Addr, []string{"--redis", redis.Addr, "--http", at, "--grpc", at}},
		"job without kafka":   {"job", "--kafka", kafka.Addr, []string{"--logic", rig.FreePort(t, rig.Host())}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way, err := proxy.Listen(rig.Host()+":0", tc.broken)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(way.Close)
			way.Set(proxy.Refuse)
			admin := rig.FreePort(t, rig.Host())
			p := rig.Start(t, name, append([]string{bin.Oort, tc.command}, append(tc.others, tc.flag, way.Addr(), "--admin", admin)...)...)
			o := &rig.Oort{Process: p, Addrs: map[string]string{"admin": admin}}
			o.WaitLine(t, `time=`) // it says what it waits for
			waitNotReady(t, o, "started")
			way.Set(proxy.Pass)
			o.WaitLine(t, "ready ")
			if tc.command == "logic" { // a job is ready when there is a logic
				o.WaitReady(t)
			}
		})
	}
}

// A process that is told to stop while it waits for what it needs does so: that
// is no failure, whatever it waits for and whether nobody answers or all breaks.
func TestStopBeforeStart(t *testing.T) {
	redis, kafka := rig.StartRedis(t), rig.StartKafka(t, bin)
	at, nobody := rig.Host()+":0", rig.FreePort(t, rig.Host())
	logic := []string{"logic", "--http", at, "--grpc", at}
	comet := []string{"comet", "--name", "c1", "--tcp", at, "--ws", at, "--grpc", at, "--logic", nobody}
	for name, tc := range map[string]struct {
		args []string // the last is the flag with the address of what is broken
		mode proxy.Mode
	}{
		"logic, resets for redis":  {append(logic, "--kafka", kafka.Addr, "--redis"), proxy.Refuse},
		"logic, resets for kafka":  {append(logic, "--redis", redis.Addr, "--kafka"), proxy.Refuse},
		"logic, silence for redis": {append(logic, "--kafka", kafka.Addr, "--redis"), proxy.Silence},
		"logic, silence for kafka": {append(logic, "--redis", redis.Addr, "--kafka"), proxy.Silence},
		"job, resets for kafka":    {[]string{"job", "--logic", nobody, "--kafka"}, proxy.Refuse},
		"job, silence for kafka":   {[]string{"job", "--logic", nobody, "--kafka"}, proxy.Silence},
		"comet, resets for keys":   {append(comet, "--jwt-alg", "ES256", "--jwks"), proxy.Refuse},
		"comet, silence for keys":  {append(comet, "--jwt-alg", "ES256", "--jwks"), proxy.Silence},
		"comet, no logic":          {append(comet, "--region"), proxy.Refuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way, err := proxy.Listen(rig.Host()+":0", nobody)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(way.Close)
			way.Set(tc.mode)
			broken, admin := way.Addr(), rig.FreePort(t, rig.Host())
			if tc.args[len(tc.args)-1] == "--jwks" {
				broken = "http://" + broken + "/keys"
			}
			p := rig.Start(t, tc.args[0], append(append([]string{bin.Oort}, tc.args...), broken, "--admin", admin)...)
			waitNotReady(t, &rig.Oort{Process: p, Addrs: map[string]string{"admin": admin}}, "started")
			if tc.mode == proxy.Refuse && !strings.HasSuffix(name, "no logic") {
				p.WaitLine(t, `time=`) // the first try has failed
			}
			if code := p.Stop(t); code != 0 {
				t.Errorf("exit code %d, the log says %q", code, p.Lines())
			}
			for _, line := range p.Lines() {
				if strings.HasPrefix(line, "oort: ") {
					t.Errorf("it calls it a failure: %q", line)
				}
			}
		})
	}
}

// The health command says what a probe wants to know.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	g := rig.StartServe(t, bin, "std")
	health := func() (string, error) {
		cmd := exec.Command(bin.Oort, "health", "--admin", g.Serve.Addrs["admin"])
		cmd.Env = []string{rig.RaceEnv}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := health(); err != nil || !strings.HasPrefix(out, "ready=true") {
		t.Errorf("%v: %s", err, out)
	}
	g.Serve.Kill()
	if out, err := health(); err == nil {
		t.Errorf("a dead process is healthy: %s", out)
	}
}
