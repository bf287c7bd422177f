package comet

import (
	"context"
	"time"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// Logic is what a comet needs of logic. comet/rpc implements it over gRPC.
// All methods may be called from several goroutines at once.
type Logic interface {
	// Sessions connects and disconnects links; results[i] belongs to
	// connects[i]. An error means that nothing is known of any of them: the
	// disconnects are to be repeated, which is idempotent. Both slices are the
	// caller's again afterwards.
	Sessions(ctx context.Context, connects []Connect, gone []Disconnect) (results []Connected, err error)
	// Renew renews the comet's lease and exchanges room counts.
	Renew(ctx context.Context, r Report) (Renewal, error)
	// Mend has what the comet holds in some buckets of keys compared with the
	// sessions that are stored, and what is missing restored. held is all that
	// the comet holds there.
	Mend(ctx context.Context, buckets []int, held []Held) (Mended, error)
	// Leave gives the lease back.
	Leave(ctx context.Context) error
	// Receive hands on what a client sent with op 4 and returns the answer.
	Receive(ctx context.Context, m Message) ([]byte, error)
}

// Connect asks for the session of one link.
type Connect struct {
	Link      uint64 // this comet's number of the link, never used twice
	Body      []byte // of the auth frame
	RemoteIP  string
	Origin    string // of a WebSocket upgrade
	SeenEpoch uint64 // the highest epoch that this comet knows of
}

// Door looks at what links show before logic does, so that what logic would
// refuse costs logic nothing. comet/door implements it. It is asked from several
// goroutines at once, none of them a loop's.
type Door interface {
	// Refuse judges one connect. If refused is true, c is the answer, as logic
	// would have given it; otherwise logic is asked.
	Refuse(c *Connect) (answer Connected, refused bool)
}

// Status of a connect.
type Status uint8

const (
	StatusOK          Status = iota
	StatusDenied             // the credentials are refused
	StatusInvalid            // the body makes no sense
	StatusUnavailable        // nobody can say now
)

// Connected is the answer to a Connect.
type Connected struct {
	Status     Status
	Message    string // for the log; nothing secret
	Mid        int64
	Key        ident.Key
	Room       ident.Room // "" for none
	Accepts    []uint32   // meaningless with AcceptsAll
	AcceptsAll bool
	Epoch      uint64
	Heartbeat  time.Duration // promised to the client; 0: the comet's own
	Retry      time.Duration // advice if the status is not OK
	Platform   string        // of the device; "": unknown
	// Rooms that the link may join, now and later; Room is one of them. Nil
	// means any.
	Rooms ident.Permission
}

// Disconnect gives the session of one link back.
type Disconnect struct {
	Link  uint64
	Key   ident.Key
	Mid   int64
	Epoch uint64
}

// Report is what a comet tells of itself at each renewal.
type Report struct {
	TCPAddr  string // listened on for clients; "" for none
	WSAddr   string // listened on for browsers; "" for none
	Links    uint64
	MaxLinks uint64
	Draining bool
	Counter  uint64
	Connects uint64 // since start
	Leased   bool   // an earlier report was answered with a lease
	Rooms    map[string]int32
}

// Renewal is the answer to a Report.
type Renewal struct {
	Rooms map[string]int32 // links in the whole cluster, for the report's rooms
	Lease time.Duration
	// TrustsClients: logic believes what clients say of themselves, so a comet
	// that strangers can reach must not serve.
	TrustsClients bool
	// Digests of what is stored of this comet's sessions; nil: not known now.
	Digests *roster.Digests
}

// Held is a link that has a session.
type Held struct {
	Link  uint64
	Key   ident.Key
	Mid   int64
	Epoch uint64
	// Platform as its connect was answered; "": unknown.
	Platform string
}

// Mended is the answer to a comparison.
type Mended struct {
	Lost      []Held // their key belongs to a later login: to be closed
	Strangers []Held // stored for this comet, but not among those held
	Missing   int    // of those held, had no session and have one again
}

// Message is what a client sent with op 4. Body is the receiver's.
type Message struct {
	Mid  int64
	Key  ident.Key
	Room ident.Room
	Seq  uint32
	Body []byte
}
