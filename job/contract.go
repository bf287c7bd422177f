package job

import (
	"context"

	"github.com/oortim/oort/proto/dropped"
	"github.com/oortim/oort/proto/pushpb"
)

// TopicID is Kafka's id of a topic. A topic that is made anew under an old name
// has another, and its offsets begin again.
type TopicID [16]byte

// ServerID names one incarnation of a comet ("c1@18f3…").
type ServerID string

// Position is a place in a partition.
type Position struct {
	LeaderEpoch int32
	Offset      int64
}

// Record is one push as read from a partition.
type Record struct {
	Position
	// Push is nil if the record could not be decoded.
	Push *pushpb.Push
	// Bytes of the encoded push.
	Bytes int
}

// Source reads records of the partitions that this job owns.
type Source interface {
	// Run reads until ctx is over, then finishes what is under way, commits and
	// returns nil. An error means that it cannot go on. For each partition that
	// it comes to own it calls open, and hands the records to what open returns.
	Run(ctx context.Context, open func(topic TopicID, partition int32) Partition) error
	// Ready returns nil if the source is in contact with the brokers.
	Ready(ctx context.Context) error
}

// Partition takes the records of one partition from when it is owned until it
// is revoked.
type Partition interface {
	// Take routes records, in offset order, to the comets. It returns when they
	// wait at the outlets, not when they are answered, and waits itself only
	// while no living comet has room. The error is ctx's.
	Take(ctx context.Context, records []Record) error
	// Finished is the position of the last record before which, itself included,
	// everything has been answered or given up; ok is false if there is none.
	// Commit the offset after it.
	Finished() (last Position, ok bool)
	// Drain waits until everything taken is finished. The error is ctx's.
	Drain(ctx context.Context) error
	// Close gives the partition up: what was taken and is not in flight is
	// discarded, for the next owner will read it again, and Finished stands
	// still from now on.
	Close()
}

// Directory knows the living comets.
type Directory interface {
	// Comets lists the comets with a living lease.
	Comets(ctx context.Context) ([]Comet, error)
}

// Comet is one entry of the list.
type Comet struct {
	Server ServerID
	Addr   string // where jobs reach it
}

// Ledger keeps what was dropped.
type Ledger interface {
	// Enter stores entries and returns when all are stored; nobody commits a
	// record before that. After an error some may be stored.
	Enter(ctx context.Context, entries []dropped.Entry) error
}

// Finder knows where keys live.
type Finder interface {
	// Where answers with the living comet that has each key, in order; "" for one
	// that is offline.
	Where(ctx context.Context, keys []string) ([]ServerID, error)
}

// Writer stores pushes where a Source reads them.
type Writer interface {
	// Write stores pushes, those for one comet in order, and returns when all are
	// stored. After an error some may be stored.
	Write(ctx context.Context, pushes []*pushpb.Push) error
}

// Outlet delivers to one comet. Its methods may be called from anywhere and
// never block.
type Outlet interface {
	// Locate says that the list names the comet, at addr. What was offered
	// before is delivered, too.
	Locate(addr string)
	// Missing says that a list that was asked for after delivery seq was offered
	// does not name the comet. Unless a stream to it is alive, the deliveries up
	// to seq are dropped as closed. idle means that nothing is left and that the
	// outlet can be closed.
	Missing(seq uint64) (alive, idle bool)
	// Offer takes deliveries, in order for each partition. Each gets exactly one
	// Done, possibly before Offer returns. The slice stays the caller's.
	Offer(deliveries []Delivery)
	// Seq is how many deliveries have been offered.
	Seq() uint64
	// Room reports whether the outlet is far from its bounds.
	Room() bool
	// Forget drops what waits, and is not in flight, for a partition that has
	// been revoked. Nobody hears of it.
	Forget(owner Owner)
	// Close ends the stream. What is left gets no Done any more.
	Close()
}

// Owner is the tenancy of a partition: a partition that is revoked and comes
// back has another.
type Owner interface {
	// Done tells the outcome of one delivery to comet.
	Done(comet ServerID, d Delivery, outcome Outcome)
	// Partition is the topic and the number.
	Partition() (TopicID, int32)
}

// Delivery is one record on its way to one comet.
type Delivery struct {
	Record
	Owner Owner
	Entry int64 // for Owner.Done
}

// Outcome of a delivery.
type Outcome struct {
	// Drop is why the comet did not apply the record; 0 if it did.
	Drop Reason
	// Replayed: the comet had it before.
	Replayed bool
	// Spared: it was not sent, because the comet has no link in the room.
	Spared bool
	// Links that it was handed to.
	Links int
	// Missing are the keys that were not there. A comet that answers a record
	// again names them again.
	Missing []string
	// Unsent: it was dropped before this job had sent it to the comet.
	Unsent bool
	// Entered, if not nil, is called once when the drop is in the ledger, unless
	// the owner has been closed meanwhile. Until then the outlet sends nothing
	// that lies behind the record in its partition: it would raise the comet's
	// mark, and if this job died before it could tell of the drop, the next one
	// would be told that the comet had the record.
	Entered func()
}

// OutletConfig is what an outlet is told about itself.
type OutletConfig struct {
	Server ServerID
	// Relieved is called when an outlet without room has room again. It must
	// not block.
	Relieved func()
}

// Reason why a comet did not get a record.
type Reason uint8

// The reasons, which are metric labels too.
const (
	// ReasonNone: it got it.
	ReasonNone Reason = iota
	// ReasonSlow: too much or too long waited for this comet.
	ReasonSlow
	// ReasonExpired: the record's time to live was over.
	ReasonExpired
	// ReasonClosed: the comet, or that incarnation of it, is gone.
	ReasonClosed
	// ReasonUnknown: it was sent and never answered; perhaps it was applied.
	ReasonUnknown
	// ReasonInvalid: the record makes no sense, or is larger than what the comet
	// takes.
	ReasonInvalid
	// ReasonMoved: a key was not at that comet any more, and the push could not
	// follow it: it had followed once, came too late, or logic did not say where.
	ReasonMoved
	reasons // how many there are
)

// String is the metric label of r.
func (r Reason) String() string {
	return [reasons]string{"none", "slow", "expired", "closed", "unknown", "invalid", "moved"}[r]
}
