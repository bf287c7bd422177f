package logic

import (
	"context"

	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// Session says that a key is online: which comet holds its link, and since
// which login.
type Session struct {
	Key ident.Key
	// Mid is the user; 0 is nobody in particular.
	Mid int64
	// Server and Link name the link for ever: an incarnation of a comet never
	// uses a number twice.
	Server ident.Server
	Link   uint64
	// Epoch grows with each login of the key; the later login wins. It is
	// never 0 in a session that exists, and below 1<<53.
	Epoch uint64
	// Platform of the device, as it said at its login; empty: unknown.
	Platform string
}

// Present reports whether there is a session at all.
func (s Session) Present() bool { return s.Epoch != 0 }

// Login asks a Store for a session.
type Login struct {
	Key    ident.Key
	Mid    int64
	Server ident.Server
	Link   uint64
	// Platform of the device; empty: unknown.
	Platform string
	// Seen is the highest epoch that the asker knows of; the session's epoch
	// is above it. So a store that lost its data cannot issue an old number.
	Seen uint64
}

// LoginResult is the answer to a Login.
type LoginResult struct {
	// Epoch of the session; 0 if Refused or Err.
	Epoch uint64
	// Loser is the session of the same key that this login replaced, if there
	// was one. A repeated login names the same loser again, for the answer to
	// the first may have been lost.
	Loser Session
	// Refused: the link has said goodbye already, the login came late.
	Refused bool
	// Err: the store could not answer. The login may have happened; asking
	// again is safe.
	Err error
}

// RestoreResult is the answer to a session that a Store is to restore.
type RestoreResult struct {
	// Lost: a later login has the key, or had it, or the link has said goodbye.
	// Nothing was changed, and the link, if it is open, must be closed.
	Lost bool
	// Loser is the earlier session of the key that this put out of its place. A
	// repeated Restore does not name it again.
	Loser Session
	// Err: the store could not answer; asking again is safe.
	Err error
}

// Store keeps the sessions. key → session is the truth. mid → keys is a hint
// that is checked against the truth when it is read.
//
// All methods are idempotent, take a batch, and cost about one round trip for
// all of it. They end by ctx's deadline. Methods may be called concurrently;
// the members of a batch take effect in order if they concern one key.
type Store interface {
	// Connect makes each login the session of its key, whoever had it.
	// The same (server, link) again is answered as the first time.
	Connect(ctx context.Context, logins []Login) []LoginResult
	// Disconnect removes the sessions that are still those of the given
	// (Server, Link) and, unless it is 0, Epoch, and leaves a tombstone of the
	// link, so that a login of it that is still under way is refused.
	// errs[i] belongs to sessions[i]; nil also if there was nothing to remove.
	Disconnect(ctx context.Context, sessions []Session) (errs []error)
	// ByKeys answers with one session a key, in order; see Session.Present.
	ByKeys(ctx context.Context, keys []ident.Key) ([]Session, error)
	// ByMids answers with the sessions of each mid, in order.
	ByMids(ctx context.Context, mids []int64) ([][]Session, error)
	// Digests says what server has, to compare with what server knows. A session
	// and its digest change together, and what loses one loses the other.
	Digests(ctx context.Context, server ident.Server) (*roster.Digests, error)
	// Roster lists the sessions of server in each bucket of keys, in order.
	Roster(ctx context.Context, server ident.Server, buckets []int) ([][]Session, error)
	// Restore makes each session that of its key again, at its own epoch, for
	// comets whose links live. Where the platform is empty, what is stored of
	// it stays.
	Restore(ctx context.Context, sessions []Session) []RestoreResult
	// Ready returns nil if the store answers.
	Ready(ctx context.Context) error
}
