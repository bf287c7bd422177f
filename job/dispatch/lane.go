package dispatch

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/oortim/oort/job"
	"github.com/oortim/oort/proto/cometpb"
)

// laneKey names a partition.
type laneKey struct {
	topic     job.TopicID
	partition int32
}

func keyOf(owner job.Owner) laneKey {
	topic, partition := owner.Partition()
	return laneKey{topic, partition}
}

// lane holds what waits for one comet in one partition.
type lane struct {
	key    laneKey
	queue  []item // oldest first
	flight *batch // nil if nothing is in flight
	queued bool   // the lane is in outlet.ready
	parked bool   // the lane is in outlet.rooms.parked
	held   *held  // nothing more is sent while it counts
}

// held counts drops of a lane that are not in the ledger yet. A partition that is
// revoked leaves its own behind; the lane gets another.
type held struct{ drops int }

// item is a delivery that waits.
type item struct {
	job.Delivery
	seq uint64    // its number among all offered to this comet
	at  time.Time // when it was offered

	span trace.Span // nil unless the push is in a sampled trace
}

// batch is what was sent at once and is not answered.
type batch struct {
	lane   *lane
	items  []item
	bytes  int
	sent   time.Time // when it was sent first
	forgot bool      // its partition has been revoked: do not repeat it
	msg    *cometpb.ToComet
}

// size of an item within the bounds: the push and what a record adds to it, here
// and on the wire.
func size(d job.Delivery) int { return d.Bytes + recordOverhead }

const recordOverhead = 96

func (l *lane) push(it item) { l.queue = append(l.queue, it) }

// pop takes the oldest. The vacated place lets go of the push.
func (l *lane) pop() item {
	it := l.queue[0]
	l.queue[0] = item{}
	l.queue = l.queue[1:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return it
}

// message encodes the batch under its seq, which it keeps when it is repeated.
func (b *batch) message(seq uint64) *cometpb.ToComet {
	topic := b.lane.key.topic
	records := make([]*cometpb.Record, len(b.items))
	for i, it := range b.items {
		it.sent()
		records[i] = &cometpb.Record{LeaderEpoch: it.LeaderEpoch, Offset: it.Offset, Push: it.Push}
	}
	return &cometpb.ToComet{Kind: &cometpb.ToComet_Batch{Batch: &cometpb.Batch{
		Seq: seq, TopicId: topic[:], Partition: b.lane.key.partition, Records: records,
	}}}
}

// verdict is an outcome that has been decided under the lock and is told when it
// has been released.
type verdict struct {
	item    item
	outcome job.Outcome
}
