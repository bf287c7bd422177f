package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/oortim/oort/deploy/e2e/rig"
)

// counter counts up and can be waited for.
type counter struct{ n atomic.Int64 }

func (c *counter) add() { c.n.Add(1) }

// wait waits until the counter has gone up by more.
func (c *counter) wait(t *testing.T, what string, more int64) {
	t.Helper()
	until := c.n.Load() + more
	rig.WaitFor(t, fmt.Sprintf("%d more %s", more, what), func() error {
		if n := c.n.Load(); n < until {
			return fmt.Errorf("%d of %d", n, until)
		}
		return nil
	})
}
