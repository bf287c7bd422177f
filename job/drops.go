package job

import (
	"context"
	"log/slog"
	"time"

	"github.com/oortim/oort/proto/dropped"
)

// lateAfter is when the log tells that something does not get on.
const lateAfter = 5 * time.Second

// ledgerBatch bounds one call of a Ledger.
const ledgerBatch = 1024

// drops brings what was dropped into the ledger. A record counts as finished
// only when its drops are there, so commits wait while the ledger is away.
type drops struct {
	ledger Ledger           // immutable; nil: nothing is kept
	job    string           // immutable; this job's name
	now    func() time.Time // immutable
	log    *slog.Logger     // immutable
	queue  *gather[drop]
}

// drop is one that is on its way to the ledger.
type drop struct {
	p       *partition
	number  int64 // of the entry of p that waits for it
	entry   dropped.Entry
	entered func() // nil: nobody waits
}

func newDrops(cfg Config, relieved func()) *drops {
	d := &drops{ledger: cfg.Ledger, job: cfg.Name, now: cfg.Now, log: cfg.Log}
	d.queue = newGather(ledgerBatch, d.enter, relieved)
	return d
}

// add brings a drop on its way. It never blocks; without a ledger that is all.
func (d *drops) add(one drop) {
	if d.ledger == nil {
		one.end()
		return
	}
	one.entry.Job, one.entry.At = d.job, d.now().UTC()
	d.queue.add(one)
}

// enter stores a batch, however long that takes.
func (d *drops) enter(ctx context.Context, batch []drop) {
	defer watchful(d.log, "job: drops are not in the ledger yet; nothing is committed meanwhile", len(batch))()
	for fails := 0; ctx.Err() == nil; fails++ {
		var entries []dropped.Entry
		for _, one := range batch {
			if !one.p.gone() { // the next owner judges anew
				entries = append(entries, one.entry.Split()...)
			}
		}
		if len(entries) == 0 {
			return
		}
		err := d.ledger.Enter(ctx, entries)
		if err == nil {
			for _, one := range batch {
				one.end()
			}
			return
		}
		if fails == 0 && ctx.Err() == nil {
			d.log.Warn("job: drops not entered in the ledger; trying again, nothing is committed meanwhile", "err", err)
		}
		sleep(ctx, backoff(fails))
	}
}

// end lets go of whoever waits.
func (d *drop) end() {
	if d.p.settle(d.number) && d.entered != nil {
		d.entered()
	}
}

// watchful has the log tell when the caller is late; call what it returns when
// done.
func watchful(log *slog.Logger, what string, n int) (done func()) {
	began := time.Now()
	timer := time.AfterFunc(lateAfter, func() { log.Warn(what, "waiting", n) })
	return func() {
		if !timer.Stop() {
			log.Info("job: it gets on again", "waited", time.Since(began).Round(time.Millisecond))
		}
	}
}
