// Package history holds what clients and pushers wrote down while a cluster was
// broken and mended: who was where and what each got, what was pushed and how it
// was answered, what was done to the parts, and what the parts counted as
// dropped. It is plain data; package check judges it.
//
// All times are of one monotonic clock and count from the start of the run, so
// that "before" and "after" mean something across links and pushers.
package history

import (
	"compress/gzip"
	"encoding/gob"
	"fmt"
	"os"
	"slices"
	"time"
)

// Run is all that is known of one run.
type Run struct {
	Seed uint64
	// Deadline is the longest that an answer to a push may take.
	Deadline time.Duration
	// Ended is when the last push had been answered and what was under way had
	// had time to arrive.
	Ended time.Duration

	Links  []Link
	Pushes []Push // Pushes[i].ID == i
	Events []Event
	// Drops are what jobs say that they dropped, message by message, and Ledger
	// what comets counted.
	Drops  []Drop
	Ledger []Dropped
}

// Link is one connection from its login's answer to its end. Links that were
// refused are not recorded: nobody is owed anything.
type Link struct {
	Key    string
	Mid    int64
	Comet  string        // name of the part
	Joined time.Duration // the login was answered
	// Closed is when the end was noticed, or the client began to close it.
	Closed time.Duration
	// Stayed: it was open until the end of the run, so that it has nothing to
	// be excused with. Why says how another ended.
	Stayed bool
	Why    string
	Stays  []Stay
	Got    []Receipt // in the order of the wire
	Gaps   []Gap
}

// Stay is a link's time in one room.
type Stay struct {
	Room    string
	Asked   time.Duration // the login, or the change of room, began
	Joined  time.Duration // it was answered
	Leaving time.Duration // the next change began, or the link ended
	Left    time.Duration // that was answered
	Stayed  bool          // until the end of the run
}

// Receipt is one message that a link got.
type Receipt struct {
	Push uint32
	At   time.Duration
}

// Gap is a gap marker: the server says that it left messages of a room out.
type Gap struct {
	Room    string
	Skipped int
	At      time.Duration
}

// Kind of a push's target.
type Kind uint8

// The kinds.
const (
	Room Kind = iota
	Keys
	Mids
	All
)

func (k Kind) String() string { return [...]string{"room", "key", "mid", "all"}[k] }

// Answer is what a pusher knows in the end.
type Answer uint8

// The answers. After tries under one id the best counts: stored once is stored.
const (
	Stored    Answer = iota // 200
	NotStored               // 503, or never sent: surely nobody sees it
	Unknown                 // 504, or no answer: either way
)

func (a Answer) String() string { return [...]string{"stored", "not stored", "unknown"}[a] }

// Push is one message. A pusher waits for its answer before the next, so its
// pushes are in the order of their ids.
type Push struct {
	ID     uint32
	Pusher int
	Kind   Kind
	Room   string
	Keys   []string
	Mids   []int64

	// Message is the id under which it was stored; empty if nobody knows.
	Message      string
	Begun, Ended time.Duration // of all tries together
	Answer       Answer
	Tries        []Try
	// Accepted is how many keys the answer that counts found online, Absent and
	// AbsentMids whom it found nobody of.
	Accepted   int
	Absent     []string
	AbsentMids []int64
}

// Try is one request.
type Try struct {
	Logic        string // name of the part
	Begun, Ended time.Duration
	Said         string // "200", "503", …, or why there was no answer
}

// Event is something that was done to a part, from when until it served again.
type Event struct {
	Part     string
	What     string // kill, pause, cut, wipe, …
	From, To time.Duration
}

// Ends reports whether the process ended by it, so that another took its place.
func (e *Event) Ends() bool { return slices.Contains([]string{Kill, Stop, Crash}, e.What) }

// What events are called that end a process.
const (
	Kill  = "kill"            // SIGKILL
	Stop  = "stop"            // SIGTERM
	Crash = "ended by itself" // nobody knows why
)

// Wipe is the event that Redis forgets everything.
const Wipe = "wipe"

// Drop is one entry of the jobs' ledger: a message that a job gave up.
type Drop struct {
	Message string
	Keys    []string // that it concerns; nil: all links of the message
	// Comet that did not get it, and when that run of it began; "": none did.
	Comet  string
	Since  time.Duration
	Reason string
}

// Dropped is what a part counted as dropped between two looks at it.
type Dropped struct {
	Part     string // name of the part that counted
	Reason   string
	Count    int
	From, To time.Duration
}

// Rate is how many pushes were begun a second.
func (r *Run) Rate() float64 {
	if len(r.Pushes) < 2 {
		return 0
	}
	took := r.Pushes[len(r.Pushes)-1].Begun - r.Pushes[0].Begun
	return float64(len(r.Pushes)-1) / took.Seconds()
}

// Save writes the run to file, compressed.
func (r *Run) Save(file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer func() {
		if e := f.Close(); e != nil && err == nil {
			err = fmt.Errorf("history: %w", e)
		}
	}()
	z, _ := gzip.NewWriterLevel(f, gzip.BestSpeed) // the level is valid
	if err := gob.NewEncoder(z).Encode(r); err != nil {
		return fmt.Errorf("history: %s: %w", file, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("history: %s: %w", file, err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(file string) (*Run, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("history: %s: %w", file, err)
	}
	r := new(Run)
	if err := gob.NewDecoder(z).Decode(r); err != nil {
		return nil, fmt.Errorf("history: %s: %w", file, err)
	}
	return r, nil
}
