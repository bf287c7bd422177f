package pushpb

import "encoding/hex"

// Group is the name of the consumer group in which jobs read the topic that has
// this id of Kafka's. A topic that was deleted and made anew has another id,
// hence another group, and starts again. Logic asks for the group's offsets by
// it. prefix is what the operator named (--group).
func Group(prefix string, topicID [16]byte) string {
	return prefix + "-" + hex.EncodeToString(topicID[:])
}
