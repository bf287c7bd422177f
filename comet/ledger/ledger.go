// Package ledger says how messages end. Every message that reaches a comet
// ends, for each link concerned, once, in one Outcome; so what was pushed is
// what was delivered and what was dropped, by lane and reason, to the last one.
package ledger

// Outcome is how a message ended for one link. It is the label of the metric
// and the word in the API.
type Outcome uint8

// The outcomes. All but Delivered are drops, and their names the reasons.
const (
	Delivered Outcome = iota // handed to the socket whole
	Slow                     // skipped by a member of the room too far behind
	Full                     // the link's outbox was full
	Shed                     // more waited than may: it made room for others
	Expired                  // waited past its time
	Collapsed                // a newer one with the same key took its place
	Canceled                 // a broadcast was called off before its turn
	Closed                   // the link closed first
	Left                     // the link left the room, or its accepts, first
	Outcomes                 // how many there are
)

var outcomes = [Outcomes]string{"delivered", "slow", "full", "shed", "expired", "collapsed", "canceled", "closed", "left"}

// String is the outcome's name.
func (o Outcome) String() string { return outcomes[o] }

// Lanes are the priority classes of messages; a lower number is dropped later.
// They are those of pushpb.Lane.
const (
	System = iota // dropped only when memory ends
	Gift
	Chat
	Ambient // dropped first
	Lanes   // how many there are
)

var lanes = [Lanes]string{"system", "gift", "chat", "ambient"}

// LaneName is what the wire and metrics call a lane.
func LaneName(lane int) string { return lanes[lane] }

// LaneOf makes a lane of what a record says; one that is unknown is Ambient.
func LaneOf(n int32) uint8 {
	if n < System || n > Ambient {
		return Ambient
	}
	return uint8(n)
}

// Counts are numbers of messages by lane.
type Counts [Lanes]uint64

// Add adds n times o.
func (c *Counts) Add(o *Counts, n uint64) {
	for lane := range c {
		c[lane] += o[lane] * n
	}
}

// Minus is the difference of two counts of which o is the earlier.
func (c Counts) Minus(o Counts) Counts {
	for lane := range c {
		c[lane] -= o[lane]
	}
	return c
}

// Total is the sum over the lanes.
func (c *Counts) Total() (n uint64) {
	for _, one := range c {
		n += one
	}
	return n
}

// Sums are messages × links by outcome and lane.
type Sums [Outcomes]Counts
