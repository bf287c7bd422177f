package session

import (
	"context"
	"sync"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// Memory keeps sessions and leases in this process. It holds what a single
// process with one comet has, so nothing in it expires but tombstones and
// leases.
type Memory struct {
	clock func() time.Time
	ttl   TTLs

	mu       sync.Mutex // guards what follows
	sessions map[ident.Key]entry
	mids     map[int64]map[ident.Key]struct{} // exact: changes with sessions
	last     uint64                           // the highest epoch that was issued
	gone     map[linkID]struct{}
	buried   []tombstone // oldest first
	comets   map[ident.Server]lease
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
	return &Memory{
		clock: clock, ttl: ttl.withDefaults(),
		sessions: make(map[ident.Key]entry),
		mids:     make(map[int64]map[ident.Key]struct{}),
		gone:     make(map[linkID]struct{}),
		comets:   make(map[ident.Server]lease),
	}
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
	old, had := m.sessions[login.Key]
	if had && old.Server == login.Server && old.Link == login.Link {
		return logic.LoginResult{Epoch: old.Epoch, Loser: old.loser}
	}
	m.unindexLocked(old.Session)
	next := entry{
		Session: logic.Session{
			Key: login.Key, Mid: login.Mid, Server: login.Server, Link: login.Link,
			Epoch: max(m.last+1, uint64(now.UnixMicro()), login.Seen+1),
		},
		loser: old.Session,
	}
	m.last = next.Epoch
	m.sessions[login.Key] = next
	m.indexLocked(next.Session)
	return logic.LoginResult{Epoch: next.Epoch, Loser: next.loser}
}

func (m *Memory) indexLocked(s logic.Session) {
	if s.Mid <= 0 {
		return
	}
	if m.mids[s.Mid] == nil {
		m.mids[s.Mid] = make(map[ident.Key]struct{}, 1)
	}
	m.mids[s.Mid][s.Key] = struct{}{}
}

func (m *Memory) unindexLocked(s logic.Session) {
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
	old := m.sessions[s.Key].Session
	if old.Server == s.Server && old.Link == s.Link && (s.Epoch == 0 || s.Epoch == old.Epoch) {
		delete(m.sessions, s.Key)
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
		sessions[i] = m.sessions[key].Session
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
			lists[i] = append(lists[i], m.sessions[key].Session)
		}
	}
	return lists, nil
}
