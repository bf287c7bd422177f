// Package roster is how a comet and logic compare which links they think are
// online, without listing them: the keys are dealt to 256 buckets, and of each
// bucket both sides keep a digest of what one comet holds in it.
//
// A digest is the XOR of one hash a session, so that a login and a goodbye cost
// one hash each, in any order, and two sides that hold the same sessions have
// the same digest. It is a check against loss, not against malice: who can
// choose keys and see epochs could make two sets collide, and would gain that a
// session of his own is not mended.
package roster

import (
	"crypto/sha1"
	"encoding/binary"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/oortim/oort/proto/ident"
)

// Buckets is how many parts the keys are dealt to.
const Buckets = 256

// Bucket is the part of a key, below Buckets.
func Bucket(k ident.Key) int { return int(xxhash.Sum64String(string(k)) >> 56) }

// Digests are those of one comet, by bucket.
type Digests [Buckets]uint64

// Hash of one session: the first 8 bytes, big-endian, of the SHA-1 of
// "key mid link epoch". SHA-1 because Redis's scripts have it and nothing
// faster; here it costs a login about 0.6 µs (go test -bench Hash ./proto/roster).
func Hash(k ident.Key, mid int64, link, epoch uint64) uint64 {
	b := make([]byte, 0, 128)
	b = append(b, k...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, mid, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, link, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, epoch, 10)
	sum := sha1.Sum(b)
	return binary.BigEndian.Uint64(sum[:8])
}
