package e2e

import (
	"errors"
	"testing"
	"time"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// SIGTERM: each link is told to come back at a time of its own, and the
// process ends with 0. A link that would not be told would come back at once,
// with all the others.
func TestDrain(t *testing.T) {
	for _, engine := range testedEngines() {
		t.Run("serve/"+engine, func(t *testing.T) {
			t.Parallel()
			g := rig.StartServe(t, bin, engine, "--drain-window", "1s")
			testDrain(t, g, g.Serve)
		})
	}
	t.Run("comet", func(t *testing.T) {
		t.Parallel()
		g := rig.StartCluster(t, bin, testedEngines()[0], 1)
		testDrain(t, g, g.Comets[0])
		for _, o := range []*rig.Oort{g.Job, g.Logic} {
			if code := o.Stop(t); code != 0 {
				t.Errorf("%s: exit code %d after SIGTERM, want 0", o.Name, code)
			}
		}
	})
}

func testDrain(t *testing.T, g *rig.Gateway, o *rig.Oort) {
	links := dialLinks(t, g, 200, 10)
	if code := o.Stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	waits := map[time.Duration]int{}
	for _, l := range links {
		<-l.Done()
		var told *client.DisconnectError
		if !errors.As(l.Err(), &told) || told.Code != client.CodeDraining || told.Retry <= 0 {
			t.Errorf("%s ended with %v; want %d with advice", l.key, l.Err(), client.CodeDraining)
			continue
		}
		waits[told.Retry]++
	}
	if len(waits) < len(links)/4 {
		t.Errorf("%d links were told only %d different times to come back", len(links), len(waits))
	}
}
