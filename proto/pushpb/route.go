package pushpb

import "github.com/cespare/xxhash/v2"

// allKey is the record key of every push to all: a constant, so that they have
// one partition and with it one order. They are few, and each is the most
// expensive push there is: they gain nothing from being spread.
const allKey = "*"

// RecordKey is what orders a push: pushes with one key have one partition.
func RecordKey(p *Push) string {
	switch p.GetKind() {
	case Kind_KIND_ROOM:
		return p.GetRoom()
	case Kind_KIND_KEYS, Kind_KIND_KICK:
		return p.GetServer()
	default:
		return allKey
	}
}

// Partition is where pushes with a record key are in a topic of n partitions.
// Everybody who produces in a cluster agrees on it.
func Partition(key string, n int) int32 { return int32(xxhash.Sum64String(key) % uint64(n)) }
