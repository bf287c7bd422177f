package server

import (
	"time"

	"github.com/oortim/oort/poller"
)

// Methods of the control face; see bench/control. Each takes and answers what
// stands beside it.
const (
	MethodAddresses = "addresses" // nothing → Addresses
	MethodPush      = "push"      // PushArgs → PushReply, when all is handed over
	MethodFloor     = "floor"     // PushArgs → FloorReply, when all is sent
	MethodStats     = "stats"     // StatsArgs → Stats
	MethodDoor      = "door"      // nothing → DoorReply, and again, to close it
)

// Addresses are where the server listens, in the order of its flags, as URLs
// that a swarm dials: tcp://127.0.0.1:4001, ws://127.0.0.1:4002/sub.
type Addresses struct{ TCP, WS []string }

// PushArgs describe a stream of messages.
//
// With a Rate it is an open loop: a batch is due at its time whether earlier
// ones have left or not, and its stamps carry the time at which it was due, so
// that a server that falls behind shows it. Without, it is a closed loop, which
// finds out how much goes: a batch follows when the one before has been handed
// to every socket, or dropped.
type PushArgs struct {
	// Run stamps the messages. Sequences begin at 1 with each call.
	Run uint32
	// Rooms is how many rooms get messages, in turn: RoomName(0) and on. Zero
	// means that every link gets them, as stamp.Everyone.
	Rooms int
	// Room is what a room's index is appended to, as in swarm.DialArgs. Empty
	// means "bench://".
	Room string
	// Keys, if not empty, is what an index is appended to instead to make a key:
	// messages go to single links and not to rooms.
	Keys string
	// Lanes are those of a room's messages, in turn, numbered as in
	// comet/ledger. None means chat.
	Lanes []int
	// Collapse lets of a room's messages that wait only the newest be kept.
	Collapse bool
	// Expires is how long after it was due a message is worth being sent. Zero
	// means for ever.
	Expires time.Duration
	// Speed of messages to every link, in links a second. Zero means as fast
	// as it goes.
	Speed int64
	// Rate is messages a second in each room. Zero means a closed loop.
	Rate float64
	// Batch is how many messages of a room are due together. Zero means 1.
	Batch int
	// Size of a message's body in bytes, at least that of a stamp. Zero means
	// just that.
	Size int
	// Count is how many messages each room gets, a multiple of Batch. Zero
	// means as many as Duration allows.
	Count    int
	Duration time.Duration
}

// PushReply says what was pushed.
type PushReply struct {
	Messages int64         // over all rooms
	Concerns int64         // messages × links that they were routed to
	Took     time.Duration // from the first that was due to the last that was handed over
	Late     time.Duration // the most that a batch was handed over after it was due; 0 in a closed loop
}

// FloorReply is what bare system calls cost on the links' own sockets. The
// calls are one send(2) a socket and batch, of the bytes that the comet would
// have sent, made by each loop on its own goroutine.
type FloorReply struct {
	Sockets  int           // that were found; 0 if the engine keeps them where no system call finds them
	Messages int64         // a socket
	Sent     int64         // calls that took all bytes
	Short    int64         // calls that did not: the socket was full or gone
	CPU      time.Duration // of the loops' threads during the calls
	Took     time.Duration
}

// StatsArgs ask for Stats.
type StatsArgs struct {
	// GC has the garbage collected, and freed memory given back, before.
	GC bool
}

// Stats of the server since its start.
type Stats struct {
	// Ledger is how many messages × links ended how.
	Ledger map[string]uint64
	// Metrics are the comet's own, by name and labels as Prometheus writes them:
	// oort_comet_links{state="live"}.
	Metrics map[string]float64
	Engine  poller.Stats

	Heap       int64 // bytes of objects on the heap
	HeapInUse  int64 // bytes of spans that hold them
	Stacks     int64 // bytes of goroutines' stacks
	Goroutines int
	GCs        uint32
	GCPauses   time.Duration // together
	GCPauseMax time.Duration // of the last 256
	// LongestStop is the longest time for which the collector has stopped the
	// world at once, to a sixteenth; it stops it twice a cycle.
	LongestStop time.Duration
}

// DoorReply is about a floor.Door, which lets links in by bare system calls and
// answers their auth. The first call opens one and says where it listens, the
// next closes it and says what it did.
type DoorReply struct {
	Addr  string // tcp://127.0.0.1:4003
	Links int
	CPU   time.Duration
}
