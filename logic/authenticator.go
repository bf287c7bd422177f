package logic

import (
	"context"
	"errors"

	"github.com/oortim/oort/proto/ident"
)

// Credentials are what a link shows at the door.
type Credentials struct {
	// Body of the auth frame as it came. It may hold secrets: it is never
	// logged, and no error contains a part of it.
	Body []byte
	// RemoteIP of the client, without port, as the comet saw it.
	RemoteIP string
	// Origin header of a WebSocket upgrade; empty on TCP.
	Origin string
}

// Identity is what an Authenticator found out.
type Identity struct {
	Mid int64
	// Key of the device; empty: it wants one.
	Key ident.Key
	// Room to join at once; empty: none.
	Room     ident.Room
	Platform string
	// Accepts are the ops that the link wants; all if AcceptsAll.
	Accepts    []int32
	AcceptsAll bool
	// Rooms that it may join, at once and later.
	Rooms ident.Permission
}

// Verdict on one link's credentials.
type Verdict struct {
	// Identity is complete if Err is nil. Otherwise only Mid may be set, to
	// the user that the link claimed to be.
	Identity Identity
	// Err wraps ErrDenied, ErrMalformed or ErrUnavailable. Its text goes to the
	// client and to logs, so it holds nothing secret.
	Err error
	// RetryMS is advice for the client when Err is not nil, in milliseconds.
	RetryMS uint32
}

// Authenticator checks credentials. It takes a batch because comets ask in
// batches and some ways of checking wait for others.
type Authenticator interface {
	// Authenticate answers with one verdict each, in order, by ctx's deadline.
	Authenticate(ctx context.Context, links []Credentials) []Verdict
}

// Reasons why a link is not let in.
var (
	// ErrDenied: the credentials are refused; the same again is useless.
	ErrDenied = errors.New("denied")
	// ErrMalformed: the body is no credentials at all, or breaks a limit.
	ErrMalformed = errors.New("malformed credentials")
)

// ErrUnavailable: what logic needs for an answer does not answer; nothing was
// changed, or changing it again is safe.
var ErrUnavailable = errors.New("unavailable")
