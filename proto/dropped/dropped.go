// Package dropped is the ledger of what jobs drop: one Kafka record, a line of
// JSON, for each push that a job gave up for one comet, or for all.
//
// A job commits a push only when what it dropped of it is in the ledger. Whoever
// looks for a message that was acknowledged and did not come finds it here by
// its id, or among the drops that comets count themselves (slow, shed, expired
// links; see GET /v1/messages/{id}). An entry may stand here twice, when a job
// dies after it has written it; and one of a job that died may be followed by a
// delivery, when its successor had more luck.
package dropped

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/oortim/oort/proto/pushpb"
)

// MaxKeys is how many keys one entry names at most; more make several entries.
const MaxKeys = 1000

// Entry is one drop.
type Entry struct {
	// ID of the message; empty if the record could not be read.
	ID string `json:"id"`
	// Kind of push: keys, room, all, kick, cancel, or invalid.
	Kind string `json:"kind"`
	// Room of a push to a room.
	Room string `json:"room,omitempty"`
	// Keys that did not get it, of a push to keys or a kick.
	Keys []string `json:"keys,omitempty"`
	// Comet for which it was dropped, name and incarnation; empty: it was dropped
	// before a comet was chosen, so for all.
	Comet string `json:"comet,omitempty"`
	// Lane: system, gift, chat or ambient.
	Lane string `json:"lane"`
	// Op of the message.
	Op int32 `json:"op,omitempty"`
	// Reason is a word of the metric oort_job_dropped_total: slow, expired,
	// closed, unknown, invalid or moved.
	Reason string `json:"reason"`
	// Moved: the push had followed a key to another comet before.
	Moved bool `json:"moved,omitempty"`
	// Accepted is when logic took the push, and At when it was dropped.
	Accepted time.Time `json:"accepted,omitzero"`
	At       time.Time `json:"at"`
	// Job that dropped it.
	Job string `json:"job,omitempty"`
	// Partition and Offset of its record in the topic of the pushes.
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// Topic is the ledger's name by default, beside the topic of the pushes.
func Topic(pushes string) string { return pushes + "-ledger" }

// Of begins an entry about p, which may be nil: what p itself says.
func Of(p *pushpb.Push) Entry {
	e := Entry{ID: p.GetId(), Kind: kind(p), Room: p.GetRoom(), Keys: p.GetKeys(), Lane: lane(p), Op: p.GetOp(), Moved: p.GetMoved()}
	if us := p.GetAcceptedUs(); us != 0 {
		e.Accepted = time.UnixMicro(us).UTC()
	}
	return e
}

func kind(p *pushpb.Push) string {
	switch p.GetKind() {
	case pushpb.Kind_KIND_KEYS:
		return "keys"
	case pushpb.Kind_KIND_ROOM:
		return "room"
	case pushpb.Kind_KIND_ALL:
		return "all"
	case pushpb.Kind_KIND_KICK:
		return "kick"
	case pushpb.Kind_KIND_CANCEL:
		return "cancel"
	}
	return "invalid"
}

func lane(p *pushpb.Push) string {
	switch p.GetLane() {
	case pushpb.Lane_LANE_SYSTEM:
		return "system"
	case pushpb.Lane_LANE_GIFT:
		return "gift"
	case pushpb.Lane_LANE_CHAT:
		return "chat"
	}
	return "ambient"
}

// Split makes entries of at most MaxKeys keys of e.
func (e Entry) Split() []Entry {
	var parts []Entry
	for len(e.Keys) > MaxKeys {
		part := e
		part.Keys, e.Keys = e.Keys[:MaxKeys:MaxKeys], e.Keys[MaxKeys:]
		parts = append(parts, part)
	}
	return append(parts, e)
}

// Partition is where in a ledger of n partitions the entries about the message
// id are, in the order in which each job wrote them.
func Partition(id string, n int) int32 { return int32(xxhash.Sum64String(id) % uint64(n)) }

// Encode is e as the value of a record.
func (e *Entry) Encode() ([]byte, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("dropped: entry about %q: %w", e.ID, err)
	}
	return value, nil
}

// Decode reads the value of a record. Fields that it does not know are left out.
func Decode(value []byte) (e Entry, err error) {
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, fmt.Errorf("dropped: entry %.100q: %w", value, err)
	}
	return e, nil
}
