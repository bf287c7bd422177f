package dispatch

import (
	"fmt"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/cometpb"
)

// next is what to send now: a Sync, batches to repeat, then one new batch of the
// lane that has been in line longest; nil if there is nothing.
func (o *outlet) next() *cometpb.ToComet {
	o.mu.Lock()
	if m := o.syncLocked(); m != nil {
		o.mu.Unlock()
		return m
	}
	if len(o.repeat) > 0 {
		b := o.repeat[0]
		o.repeat = o.repeat[1:]
		o.mu.Unlock()
		return b.msg
	}
	var verdicts []verdict
	var b *batch
	for b == nil && len(o.ready) > 0 {
		l := o.ready[0]
		o.ready = o.ready[1:]
		l.queued = false
		b, verdicts = o.batchLocked(l, verdicts)
	}
	relieved := o.settleLocked()
	o.mu.Unlock()
	o.finish(verdicts, relieved)
	if b == nil {
		return nil
	}
	return b.msg
}

// batchLocked makes a batch of what waits in l; nil if nothing of it can be sent.
func (o *outlet) batchLocked(l *lane, verdicts []verdict) (*batch, []verdict) {
	now := o.cfg.Now()
	b := &batch{lane: l, sent: now}
	for len(l.queue) > 0 && len(b.items) < o.cfg.BatchRecords {
		it := l.queue[0]
		n := size(it.Delivery)
		reason := job.ReasonNone
		chosen := o.chooseLocked(it)
		switch {
		case chosen == spare:
			o.chosenLocked(it.Delivery, spare)
			verdicts = append(verdicts, verdict{o.popLocked(l), job.Outcome{Spared: true}})
			continue
		case chosen == undecided && len(b.items) > 0:
			return o.launchLocked(b), verdicts
		case chosen == undecided:
			o.parkLocked(l)
			return nil, verdicts
		case it.Push.ExpiresUs != 0 && it.Push.ExpiresUs <= now.UnixMicro():
			reason = job.ReasonExpired
		case n > o.maxBytes:
			reason = job.ReasonInvalid
		case len(b.items) > 0 && (b.bytes+n > min(o.cfg.BatchBytes, o.maxBytes) || it.Owner != b.items[0].Owner):
			return o.launchLocked(b), verdicts
		}
		switch {
		case reason != job.ReasonNone && len(b.items) > 0:
			return o.launchLocked(b), verdicts // the drop comes first the next time
		case reason != job.ReasonNone:
			verdicts = append(verdicts, o.droppedLocked(l, o.popLocked(l), reason))
			continue
		case l.held.drops > 0:
			return nil, verdicts
		}
		o.chosenLocked(it.Delivery, send)
		b.items = append(b.items, l.pop()) // stays in the books until it lands
		b.bytes += n
	}
	if len(b.items) == 0 {
		return nil, verdicts
	}
	return o.launchLocked(b), verdicts
}

func (o *outlet) launchLocked(b *batch) *batch {
	o.batches++
	b.lane.flight = b
	b.msg = b.message(o.batches)
	o.flights[o.batches] = b
	return b
}

// answered takes the comet's answer to a batch.
func (o *outlet) answered(ack *cometpb.Ack) error {
	o.mu.Lock()
	b := o.flights[ack.GetSeq()]
	if b == nil || len(ack.GetOutcomes()) != len(b.items) {
		o.mu.Unlock()
		return fmt.Errorf("%w: %d outcomes to batch %d", errProtocol, len(ack.GetOutcomes()), ack.GetSeq())
	}
	o.landLocked(ack.GetSeq(), b)
	relieved := o.settleLocked()
	sendable := len(o.ready) > 0
	o.mu.Unlock()
	if sendable {
		signal(o.wake)
	}
	o.answers.Add(1)
	o.metrics.answered(b, o.cfg.Now())
	for i, out := range ack.GetOutcomes() {
		it, out := &b.items[i], outcome(out)
		it.end(out)
		it.Owner.Done(o.server, it.Delivery, out)
	}
	if relieved {
		o.relieved()
	}
	return nil
}

// outcome translates a comet's words.
func outcome(o *cometpb.Outcome) job.Outcome {
	reason := job.ReasonInvalid
	switch o.GetDrop() {
	case cometpb.Drop_DROP_NONE:
		reason = job.ReasonNone
	case cometpb.Drop_DROP_CLOSED:
		reason = job.ReasonClosed
	case cometpb.Drop_DROP_EXPIRED:
		reason = job.ReasonExpired
	}
	return job.Outcome{
		Drop: reason, Replayed: o.GetReplayed(),
		Links: int(o.GetLinks()), Missing: o.GetMissing(),
	}
}
