// Package session keeps sessions and leases for package logic: [Memory] for a
// logic that is alone in its process, [Redis] for several that share a Redis
// (or Redis Cluster). Both implement logic.Store and logic.Registry and pass
// the suite in package sessiontest.
//
// # Keys in Redis
//
// A hash tag holds what a script needs together, so that each script touches
// one slot. Keys of links contain no braces and mids are numbers, so nobody
// can choose a slot or break out of a name.
//
//	oort:{b:BB}:k:KEY                  string  the session of KEY: the truth, or
//	                                           the epoch of one that has just ended
//	oort:{b:BB}:gone:SERVER/LINK:KEY   string  tombstone of a link that said goodbye
//	oort:{b:BB}:at:SERVER              hash    roster: KEY → "mid link epoch", '' → digest
//	oort:{m:MID}                       hash    "KEY LINK SERVER" → Unix seconds: hints
//
// BB is the bucket of KEY, of 256, in hexadecimal: the sessions of a bucket lie
// in one slot, with the rosters that say which of them each comet has. So 256
// slots hold everything, which spreads over as many masters as anybody has.
//
//	oort:{reg}:index               zset    servers by the time of their last renewal
//	oort:{reg}:c:SERVER            string  the server's last renewal
//	oort:{reg}:r:SERVER            string  its rooms
//
// # What is written when
//
// A login writes its hint and its session in one pipeline, and is answered
// when both are there. Each login has a hint of its own, named by its link, so
// that a goodbye removes just that hint, however the commands of several
// logins of one key interleave; two logins that shared a hint could remove it
// under each other. Hints are checked against the sessions when they are read,
// and those that are wrong for a minute are removed.
//
// # What is lost is mended
//
// A roster and its digest change in the scripts that change sessions, in the
// same slot: so a failover, which loses the last writes of some slots, and a
// total loss take both back alike, and the digest still tells what is there. A
// comet compares it with its own and has a bucket that differs restored; see
// logic.Service.Mend.
//
// # How ghosts die
//
// Sessions and hints live for SessionTTL (30 days): links cost no traffic
// while they live, but for a slow round of restoring that renews them. What a crashed comet leaves
// behind counts as absent as soon as its lease ends, is overwritten by the next login of the
// key, and ends with the TTL. Tombstones live for TombstoneTTL (60 s), longer
// than a login can be under way. Renewals live for RecordTTL (a minute), four leases or
// more: what is left of a comet that died is read, and judged anew by each logic that
// starts, only as long.
package session

import "time"

// TTLs says how long what nobody removes stays. A zero field means its default.
type TTLs struct {
	// Session is for sessions and hints; it must outlast any link. Zero means
	// 30 days.
	Session time.Duration
	// Tombstone must outlast a login that is under way. Zero means 60 s.
	Tombstone time.Duration
	// Record is for a comet's last renewal; it must be well above the lease.
	// Zero means a minute.
	Record time.Duration
}

func (t TTLs) withDefaults() TTLs {
	if t.Session == 0 {
		t.Session = 30 * 24 * time.Hour
	}
	if t.Tombstone == 0 {
		t.Tombstone = time.Minute
	}
	if t.Record == 0 {
		t.Record = time.Minute
	}
	return t
}

// maxSeen is the highest epoch that an asker may have seen, in microseconds the
// year 2112. Epochs stay below 1<<53, above which Redis's scripts, which count
// in doubles, would skip numbers.
const maxSeen = 1 << 52
