package dispatch

import (
	"context"
	"time"

	"github.com/oortim/oort/job"
)

// hold watches over MaxHold. The bound is kept within an eighth: a timer for
// each record would cost more than it tells.
func (o *outlet) hold() {
	t := time.NewTicker(min(max(o.cfg.MaxHold/8, time.Millisecond), o.cfg.MaxEcho, time.Second))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			o.release(o.cfg.Now().Add(-o.cfg.MaxHold))
		case <-o.ctx.Done():
			return
		}
	}
}

// release gives up what was offered, or sent, before the time given.
func (o *outlet) release(before time.Time) {
	o.mu.Lock()
	o.lateLocked(o.cfg.Now())
	verdicts := o.abandonLocked(job.ReasonUnknown, func(b *batch) bool { return b.sent.Before(before) })
	var cut context.CancelFunc
	if len(verdicts) > 0 {
		cut = o.cut
	}
	verdicts = append(verdicts, o.dropLocked(job.ReasonSlow, func(it item) bool { return it.at.Before(before) })...)
	relieved := o.settleLocked()
	o.mu.Unlock()
	if cut != nil {
		cut()
	}
	o.finish(verdicts, relieved)
}
