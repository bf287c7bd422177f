package swarm

// state of a link:
//
//	free → connecting → upgrading → joining → live → free
//
// Upgrading is for WebSocket only, and a bare link is live without joining.
// From each state a link may become free: then its dial is tried again, or it
// counts as failed, or, if it was live, as lost.
type state uint8

const (
	free state = iota
	connecting
	upgrading // the upgrade was asked for
	joining   // auth was sent
	live
)

func (s state) String() string {
	switch s {
	case connecting:
		return "connecting"
	case upgrading:
		return "upgrading"
	case joining:
		return "joining"
	case live:
		return "live"
	}
	return "free"
}

// What is worth a bit of a link.
type flags uint8

const (
	overWS  flags = 1 << iota
	settled       // its dial has counted it: what follows is churn
	steady        // live since the last reset
	slept         // was stalled since the last reset
	stalled       // does not read
	unread        // and something has come
	kept          // has a beginning of something in loop.rests
	unsent        // has something in loop.outs
)

func (f flags) has(g flags) bool { return f&g != 0 }

// link is all that is kept for a link. It has no pointers, so the collector
// never walks a table of them.
type link struct {
	gen    uint32 // tells tenants of a descriptor apart
	number uint32 // in the swarm, from 0: its key and mid; over party.rooms its room
	parser parser

	room     uint32 // next sequence number expected of the room, 0 any; of echoes too
	everyone uint32 // the same of messages to everyone
	messages uint32 // since the last reset
	sent     uint32 // sequence number of the newest message sent, for echoes

	beat  uint32 // when the heartbeat under way was sent, µs, never 0; 0: none
	began uint32 // when its dial began, µs

	state state
	flags flags
	tries uint8 // of its dial, before this one
	party uint8 // index in loop.dials
}

// micros is now in the 32 bits that a link has for a time. They last 71
// minutes; what they measure is shorter.
func micros(now int64) uint32 { return uint32(now/1000) | 1 }

// since is what has passed from then to now, ns.
func since(then uint32, now int64) int64 { return int64(micros(now)-then) * 1000 }
