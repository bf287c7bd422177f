package swarm

import (
	"time"

	"github.com/oortim/oort/bench/measure"
)

// Methods of the control face; see bench/control. Each takes the struct that
// it is named after and answers what stands beside it. All but dial and close
// answer at once.
const (
	MethodDial   = "dial"   // DialArgs → DialReply, when every link lives or has failed
	MethodStatus = "status" // nothing → Status
	MethodReset  = "reset"  // ResetArgs → nothing
	MethodCounts = "counts" // nothing → Counts
	MethodBeat   = "beat"   // BeatArgs → nothing
	MethodEcho   = "echo"   // EchoArgs → nothing
	MethodStall  = "stall"  // StallArgs → StallReply
	MethodResume = "resume" // nothing → nothing
	MethodChurn  = "churn"  // ChurnArgs → nothing
	MethodClose  = "close"  // CloseArgs → nothing, when every link is closed
)

// DialArgs ask for more links. The zero value of a field means its default.
type DialArgs struct {
	// Addrs are where to dial: tcp://127.0.0.1:3101, ws://127.0.0.1:3102/sub;
	// a host is an IP address. Links take turns. Required.
	Addrs []string
	// Sources are local IP addresses to dial from; links take turns. None
	// means the kernel's choice, and on loopback as many of 127.1.0.0/16 as
	// Links need, since a pair of addresses has 28,000 ports.
	Sources []string
	// Links is how many. Required.
	Links int
	// Rate is how many links are begun a second. Zero means as fast as
	// UnderWay allows.
	Rate float64
	// UnderWay is how many links are begun and not finished at a time, over
	// all loops. Zero means 512.
	UnderWay int
	// Timeout of a link from its connect to its auth reply. Zero means 30 s.
	Timeout time.Duration
	// Retries is how often a link that failed is tried again. Zero means 3,
	// negative means never.
	Retries int

	// Bare links end with the connect, on WebSocket with the upgrade: no auth
	// is sent. For echo servers.
	Bare bool
	// Rooms is how many rooms the links are spread over, in turn. Zero means
	// that they join none.
	Rooms int
	// Room is what a room's index is appended to. Empty means "bench://".
	Room string
	// Key is what a link's number is appended to. Empty means that the server
	// makes up the keys.
	Key string
	// Accepts are the ops that links want. None means all.
	Accepts []int32
}

// DialReply says what became of the links of a dial.
type DialReply struct {
	Live    int              // links of this dial that live
	Failed  map[string]int64 // those that were given up, by the reason of their last try
	Retries int64            // tries beyond the first
	Took    time.Duration
	Join    measure.Summary // connect to auth reply, of all links since the last reset
}

// Status of the swarm now.
type Status struct {
	Asked    int // links that were asked for by dials
	Dialling int // begun, or waiting for their turn
	Live     int
	Stalled  int              // of those
	Failed   map[string]int64 // given up while they were dialled
	Lost     map[string]int64 // ended by the server or the network while they lived
	Retries  int64
	Received int64 // pushes since the last reset, whatever they are
	Messages int64 // of those, what Counts calls Messages
	Loops    int
	RSS      int64 // of this process, bytes
}

// ResetArgs start a measurement: counts, latencies and sequences begin anew.
type ResetArgs struct {
	// Run is what messages must be stamped with; others are Stale.
	Run uint32
}

// Counts since the last reset.
type Counts struct {
	Messages int64 // stamped messages of the run; with echo, echoes
	Bytes    int64 // what was read from sockets
	Gaps     int64 // messages that were passed over, by their sequence
	Doubles  int64 // messages that were not newer than one before
	Wrong    int64 // messages of a room that the link is not in, or without a stamp
	Stale    int64 // messages of another run; they count nowhere else

	// Links that have lived since the reset and were not stalled, and the
	// least and most messages that one of them got.
	Steady, Least, Most int64
	// StalledMessages are those of Messages that went to stalled links.
	StalledMessages int64
	// Latency from the stamp to the read.
	Latency measure.Summary

	Beats       int64           // heartbeats sent
	BeatReplies int64           // and answered
	BeatsHeld   int64           // not sent, because the link's last was not answered yet
	BeatLatency measure.Summary // from the heartbeat to its reply

	EchoesSent int64
	EchoesHeld int64 // not sent, because the socket took no more

	Churned int64           // links that were closed to be dialled anew
	Joined  int64           // links that were dialled and let in
	Join    measure.Summary // connect to auth reply

	Failed map[string]int64 // links given up while they were dialled, since the start
	Lost   map[string]int64 // links ended by others while they lived, since the start
}

// BeatArgs have links send heartbeats, each in its turn.
type BeatArgs struct {
	// Rate is heartbeats a second over all links. Zero ends it.
	Rate float64
}

// EchoArgs have links send stamped messages and expect them back. Both zero
// ends it.
type EchoArgs struct {
	// Run as in ResetArgs, which this implies.
	Run uint32
	// Depth is how many messages of a link are under way: each echo is
	// answered by the next message.
	Depth int
	// Rate is messages a second over all links, each in its turn, whether
	// echoes come or not; stamps tell when a message was due.
	Rate float64
	// Size of a body, bytes; at least a stamp's. Zero means that.
	Size int
}

// StallArgs have links stop reading.
type StallArgs struct {
	// Share of the live links, 0 to 1, spread evenly.
	Share float64
}

// StallReply says how many links are stalled.
type StallReply struct{ Stalled int }

// ChurnArgs have live links close and dial anew, each in its turn.
type ChurnArgs struct {
	// Rate is links a second. Zero ends it.
	Rate float64
	// Reset closes by RST and not by FIN.
	Reset bool
}

// CloseArgs end every link.
type CloseArgs struct {
	// Reset closes by RST and not by FIN.
	Reset bool
}
