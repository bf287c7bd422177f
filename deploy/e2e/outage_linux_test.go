package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// What a cluster leans on goes away while it runs, and comes back: links stay,
// readiness says what is missing, nothing spins, and pushes flow again.
func TestOutage(t *testing.T) {
	for _, tc := range []struct {
		name string
		// kill ends the service and returns what starts it again.
		kill func(*testing.T, *rig.Gateway) (restart func())
		// watched is the process whose readiness must tell, and what it says.
		watched func(*rig.Gateway) *rig.Oort
		says    string
	}{
		{"redis", func(t *testing.T, g *rig.Gateway) func() {
			g.Redis.Kill()
			return func() { g.Redis.Restart(t) }
		}, func(g *rig.Gateway) *rig.Oort { return g.Logic }, "redis"},
		{"kafka", func(t *testing.T, g *rig.Gateway) func() {
			g.Kafka.Kill()
			return func() { g.Kafka.Restart(t) }
		}, func(g *rig.Gateway) *rig.Oort { return g.Logic }, "kafka"},
		{"logic", func(t *testing.T, g *rig.Gateway) func() {
			g.Logic.Kill()
			return func() { g.Logic.Restart(t) }
		}, func(g *rig.Gateway) *rig.Oort { return g.Comets[0] }, "comet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := rig.StartCluster(t, bin, testedEngines()[0], 1)
			links := dialLinks(t, g, 10, 1)
			restart := tc.kill(t, g)
			waitNotReady(t, tc.watched(g), tc.says)
			checkIdle(t, g)
			restart()
			for _, o := range []*rig.Oort{g.Logic, g.Job, g.Comets[0]} {
				o.WaitReady(t)
			}
			pushUntilStored(t, g)
			waitReceived(t, links, "room", func(*link) []int { return []int{1} })
		})
	}
}

// waitNotReady waits until /readyz of o is 503 and names what; /healthz stays
// 200, or an orchestrator would close all links for nothing.
func waitNotReady(t *testing.T, o *rig.Oort, what string) {
	t.Helper()
	rig.WaitFor(t, o.Name+" tells of "+what, func() error {
		status, body, err := o.Admin("/readyz")
		if err != nil {
			return err
		}
		if status != http.StatusServiceUnavailable || !strings.Contains(body, `{"name":"`+what+`","ok":false`) {
			return fmt.Errorf("%d: %s", status, body)
		}
		return nil
	})
	if status, body, err := o.Admin("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz of %s: %d %s, %v", o.Name, status, body, err)
	}
}

// checkIdle looks at the processor time that the parts use while they wait for
// what is away: retries back off.
func checkIdle(t *testing.T, g *rig.Gateway) {
	t.Helper()
	const watch, most = 2 * time.Second, time.Second / 2
	parts := append([]*rig.Oort{g.Logic, g.Job}, g.Comets...)
	before := map[*rig.Oort]time.Duration{}
	for _, o := range parts {
		before[o] = o.CPU(t)
	}
	time.Sleep(watch) // a span of time to measure in, not a condition to wait for
	for _, o := range parts {
		if used := o.CPU(t) - before[o]; used > most {
			t.Errorf("%s used %v of processor time in %v of waiting", o.Name, used, watch)
		}
	}
}

// pushUntilStored pushes the same message, by its id, until it is stored.
func pushUntilStored(t *testing.T, g *rig.Gateway) {
	t.Helper()
	api := &push.Client{API: g.API}
	rig.WaitFor(t, "a push is stored", func() error {
		err := store(api, push.Push{ID: "after-the-outage", Room: roomName(0), Op: op, Body: body("room", 1)})
		if errors.Is(err, push.ErrRefused) && !errors.Is(err, push.ErrNotStored) {
			t.Fatal(err)
		}
		return err
	})
}
