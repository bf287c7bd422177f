// Package fault builds known defects in, to prove that tests find them. In a
// normal build On is the constant false and the compiler leaves the defect out;
// with the build tag faults the environment variable OORT_FAULT names the one
// defect of the process. Nothing else may depend on this package.
package fault

// Name of a defect.
type Name string

// The defects. Each is one of those that lose, double or reorder messages in
// well-known gateways.
const (
	// CommitEarly: a job commits records when it has read them, not when the
	// comets have answered.
	CommitEarly Name = "commit-early"
	// DisconnectAny: a disconnect removes the session of its key, whosever it is.
	DisconnectAny Name = "disconnect-any"
	// RoundRobin: a job deals the records of a partition to several lanes.
	RoundRobin Name = "round-robin"
	// SilentDrop: a comet drops a room's message now and then and counts nothing.
	SilentDrop Name = "silent-drop"
	// NoDedup: a comet does not remember pushers' message ids.
	NoDedup Name = "no-dedup"
	// ProduceOK: logic takes an error of the brokers as success.
	ProduceOK Name = "produce-ok"
)
