package roster

import (
	"crypto/sha1"
	"fmt"
	"strconv"
	"testing"

	"github.com/oortim/oort/proto/ident"
)

// TestHashIsOfTheEntry: a script that hashes key, space and entry gets the same.
func TestHashIsOfTheEntry(t *testing.T) {
	for _, tc := range []struct {
		key         ident.Key
		mid         int64
		link, epoch uint64
	}{
		{"a", 0, 0, 1}, {"k", -3, 1 << 63, 1 << 53}, {ident.Key(fmt.Sprintf("%064d", 7)), 1<<63 - 1, 1<<64 - 1, 1<<64 - 1},
	} {
		sum := sha1.Sum(fmt.Appendf(nil, "%s %d %d %d", tc.key, tc.mid, tc.link, tc.epoch))
		want, _ := strconv.ParseUint(fmt.Sprintf("%x", sum[:8]), 16, 64)
		if got := Hash(tc.key, tc.mid, tc.link, tc.epoch); got != want {
			t.Errorf("%+v: %x, want %x", tc, got, want)
		}
	}
}

// TestHashTellsAll: each part of a session changes its hash.
func TestHashTellsAll(t *testing.T) {
	seen := map[uint64]bool{}
	for _, h := range []uint64{
		Hash("a", 1, 2, 3), Hash("b", 1, 2, 3), Hash("a", 2, 2, 3), Hash("a", 1, 3, 3), Hash("a", 1, 2, 4), Hash("a1", 1, 2, 3), Hash("a", 11, 2, 3),
	} {
		if seen[h] {
			t.Errorf("%x twice", h)
		}
		seen[h] = true
	}
}

// TestBuckets: keys spread over all buckets, evenly enough.
func TestBuckets(t *testing.T) {
	var n [Buckets]int
	for i := range 100 * Buckets {
		n[Bucket(ident.Key(fmt.Sprint("device-", i)))]++
	}
	for b, got := range n {
		if got < 40 || got > 180 {
			t.Errorf("bucket %d has %d keys of 100 on average", b, got)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Hash("01JD3Z0V5YQ8W2K4M6N8P0R2T4", 123456789, 1<<48|12345, 1789999999999999)
	}
}
