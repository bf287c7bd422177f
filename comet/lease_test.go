package comet

import (
	"testing"
	"time"
)

// Until it lets the first link in a comet renews more often: a registry that has
// lost its record meanwhile has it again by then. Afterwards it does not.
func TestSettlingRenewsMoreOften(t *testing.T) {
	r := open(t, "std", func(c *Config) { c.Times.Settle, c.Times.Renew = 400*time.Millisecond, time.Minute })
	p := r.dial(false)
	p.auth("k", "") // is answered when the comet has settled
	if n := r.logic.renewals.Load(); n < settling-1 || n > 2*settling {
		t.Errorf("%d renewals while it settled, want about %d", n, settling)
	}
}
