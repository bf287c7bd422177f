package session

import (
	"context"
	"sync"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// Memory keeps sessions and leases in this process. It holds what a single
// process with one comet has, so nothing in it expires but tombstones and
// leases.
type Memory struct {
	clock func() time.Time
	ttl   TTLs

	mu       sync.Mutex // guards what follows
	sessions [roster.Buckets]map[ident.Key]entry
	digests  map[ident.Server]*roster.Digests // exact: changes with sessions
	mids     map[int64]map[ident.Key]struct{} // exact: changes with sessions
	last     uint64                           // the highest epoch that was issued
	gone     map[linkID]struct{}
	buried   []tombstone // oldest first
	comets   map[ident.Server]lease
	begun    time.Time // of the first renewal; zero: none
	loss     time.Time // of the last renewal of a comet that should have been here
}

// entry is a session and the one that it replaced.
type entry struct {
	logic.Session
	loser logic.Session
}

// linkID names a link for ever.
type linkID struct {
	key    ident.Key
	server ident.Server
	link   uint64
}

type tombstone struct {
	id    linkID
	until time.Time
}

type lease struct {
	comet logic.Comet
	rooms map[string]int32
	until time.Time
}

// NewMemory returns an empty Memory. A nil clock means time.Now.
func NewMemory(ttl TTLs, clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	m := &Memory{
		clock: clock, ttl: ttl.withDefaults(),
		digests: make(map[ident.Server]*roster.Digests),
		mids:    make(map[int64]map[ident.Key]struct{}),
		gone:    make(map[linkID]struct{}),
		comets:  make(map[ident.Server]lease),
	}
	for b := range m.sessions {
		m.sessions[b] = make(map[ident.Key]entry)
	}
	return m
}

// Ready implements logic.Store.
func (m *Memory) Ready(context.Context) error { return nil }

// Connect implements logic.Store.
func (m *Memory) Connect(_ context.Context, logins []logic.Login) []logic.LoginResult {
	now := m.clock()
	results := make([]logic.LoginResult, len(logins))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepLocked(now)
	for i, login := range logins {
		results[i] = m.connectLocked(login, now)
	}
	return results
}

func (m *Memory) connectLocked(login logic.Login, now time.Time) logic.LoginResult {
	if err := checkSeen(login.Seen); err != nil {
		return logic.LoginResult{Err: err}
	}
	if _, gone := m.gone[linkID{login.Key, login.Server, login.Link}]; gone {
		return logic.LoginResult{Refused: true}
	}
	old, had := m.sessions[roster.Bucket(login.Key)][login.Key]
	if had && old.Server == login.Server && old.Link == login.Link {
		return logic.LoginResult{Epoch: old.Epoch, Loser: old.loser}
	}
	next := logic.Session{
		Key: login.Key, Mid: login.Mid, Server: login.Server, Link: login.Link, Platform: login.Platform,
		Epoch: max(m.last+1, uint64(now.UnixMicro()), login.Seen+1),
	}
	m.putLocked(old.Session, entry{Session: next, loser: old.Session})
	return logic.LoginResult{Epoch: next.Epoch, Loser: old.Session}
}

// putLocked puts next in the place of old, which is the key's session now.
func (m *Memory) putLocked(old logic.Session, next entry) {
	m.unindexLocked(old)
	m.last = max(m.last, next.Epoch)
	m.sessions[roster.Bucket(next.Key)][next.Key] = next
	m.indexLocked(next.Session)
}

// turnLocked puts a session into the digest of its server, or takes it out.
func (m *Memory) turnLocked(s logic.Session) {
	if m.digests[s.Server] == nil {
		m.digests[s.Server] = new(roster.Digests)
	}
	m.digests[s.Server][roster.Bucket(s.Key)] ^= roster.Hash(s.Key, s.Mid, s.Link, s.Epoch)
}

func (m *Memory) indexLocked(s logic.Session) {
	m.turnLocked(s)
	if s.Mid <= 0 {
		return
	}
	if m.mids[s.Mid] == nil {
		m.mids[s.Mid] = make(map[ident.Key]struct{}, 1)
	}
	m.mids[s.Mid][s.Key] = struct{}{}
}

// unindexLocked undoes indexLocked; it does nothing for no session.
func (m *Memory) unindexLocked(s logic.Session) {
	if !s.Present() {
		return
	}
	m.turnLocked(s)
	delete(m.mids[s.Mid], s.Key)
	if len(m.mids[s.Mid]) == 0 {
		delete(m.mids, s.Mid)
	}
}

// Disconnect implements logic.Store.
func (m *Memory) Disconnect(_ context.Context, sessions []logic.Session) []error {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepLocked(now)
	for _, s := range sessions {
		m.disconnectLocked(s, now)
	}
	return make([]error, len(sessions))
}

func (m *Memory) disconnectLocked(s logic.Session, now time.Time) {
	bucket := m.sessions[roster.Bucket(s.Key)]
	old := bucket[s.Key].Session
	if old.Server == s.Server && old.Link == s.Link && (s.Epoch == 0 || s.Epoch == old.Epoch) {
		delete(bucket, s.Key)
		m.unindexLocked(old)
	}
	id := linkID{s.Key, s.Server, s.Link}
	if _, ok := m.gone[id]; !ok {
		m.gone[id] = struct{}{}
		m.buried = append(m.buried, tombstone{id: id, until: now.Add(m.ttl.Tombstone)})
	}
}

// sweepLocked removes the tombstones whose time is over.
func (m *Memory) sweepLocked(now time.Time) {
	n := 0
	for n < len(m.buried) && m.buried[n].until.Before(now) {
		delete(m.gone, m.buried[n].id)
		n++
	}
	m.buried = m.buried[n:]
}

// ByKeys implements logic.Store.
func (m *Memory) ByKeys(_ context.Context, keys []ident.Key) ([]logic.Session, error) {
	sessions := make([]logic.Session, len(keys))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, key := range keys {
		sessions[i] = m.sessions[roster.Bucket(key)][key].Session
	}
	return sessions, nil
}

// ByMids implements logic.Store.
func (m *Memory) ByMids(_ context.Context, mids []int64) ([][]logic.Session, error) {
	lists := make([][]logic.Session, len(mids))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, mid := range mids {
		for key := range m.mids[mid] {
			lists[i] = append(lists[i], m.sessions[roster.Bucket(key)][key].Session)
		}
	}
	return lists, nil
}
