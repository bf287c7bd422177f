package comet

import (
	"net/netip"

	"github.com/oortim/oort/comet/link"
	"github.com/oortim/oort/comet/room"
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/ident"
)

// state of a link:
//
//	free ─accept─▶ young ─auth frame─▶ asking ─OK─▶ live
//	                 │                   │            │
//	                 └───────────────────┴────────────┴──▶ leaving ──▶ free
//
// young and asking are bounded by the handshake timeout. In leaving the link
// is in no room, no directory and no session; only what is begun, and op 6,
// are still written, and what comes is thrown away.
type state uint8

const (
	free state = iota
	young
	asking
	live
	leaving
)

// record is what a comet keeps of one link: pointer-free, in a slab. Owned by
// the loop.
type record struct {
	id       poller.ID // of the tenant; a mismatch means a stale ID
	state    state
	reason   Reason // why it is leaving
	enc      room.Encoding
	listener uint8
	hasOut   bool // there is an outbox
	stalled  bool // the socket was full; OnWritable will come
	finSent  bool
	counted  bool // in the sources' count
	keyLen   uint8
	asked    uint8 // client messages under way to logic
	dec      link.Decoder

	set    room.SetID
	tokens uint32 // what it may send now, tokensAFrame each
	auth   uint32 // young: bytes that came; asking: seq of the auth frame; live: its platform
	// Times in ticks of the wheel since the comet started.
	born      uint32
	heard     uint32 // last frame; up to then tokens have been refilled
	stuck     uint32 // since when stalled without progress
	heartbeat uint32 // how long it may be silent
	may       permit // which rooms it may join

	number uint64 // of the link, never used twice by this incarnation
	epoch  uint64
	mid    int64
	source [16]byte // the client's address
	key    [inlineKey]byte
}

// inlineKey is the longest key that lies in a record: a UUID, a ULID. The few
// longer ones are in bucket.longKeys.
const inlineKey = 40

func (b *bucket) setKey(r *record, k ident.Key) {
	r.keyLen = uint8(len(k))
	if copy(r.key[:], k) < len(k) {
		b.longKeys[r.id.Slot] = k
	}
}

func (b *bucket) keyOf(r *record) ident.Key {
	if r.keyLen > inlineKey {
		return b.longKeys[r.id.Slot]
	}
	return ident.Key(r.key[:r.keyLen])
}

// hasKey reports whether r has the key k; it allocates nothing.
func (b *bucket) hasKey(r *record, k ident.Key) bool {
	if r.keyLen > inlineKey {
		return b.longKeys[r.id.Slot] == k
	}
	return string(r.key[:r.keyLen]) == string(k)
}

func (r *record) setSource(a netip.Addr) { r.source = a.As16() }

func (r *record) addr() netip.Addr { return netip.AddrFrom16(r.source).Unmap() }
