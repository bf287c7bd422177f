package e2e

import (
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
