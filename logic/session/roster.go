package session

import (
	"context"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// Digests implements logic.Store.
func (m *Memory) Digests(_ context.Context, server ident.Server) (*roster.Digests, error) {
	digests := new(roster.Digests)
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.digests[server]; d != nil {
		*digests = *d
	}
	return digests, nil
}

// Roster implements logic.Store. It looks at all sessions of the buckets.
func (m *Memory) Roster(_ context.Context, server ident.Server, buckets []int) ([][]logic.Session, error) {
	lists := make([][]logic.Session, len(buckets))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, b := range buckets {
		for _, e := range m.sessions[b] {
			if e.Server == server {
				lists[i] = append(lists[i], e.Session)
			}
		}
	}
	return lists, nil
}

// Restore implements logic.Store.
func (m *Memory) Restore(_ context.Context, sessions []logic.Session) []logic.RestoreResult {
	results := make([]logic.RestoreResult, len(sessions))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepLocked(m.clock())
	for i, s := range sessions {
		results[i] = m.restoreLocked(s)
	}
	return results
}

func (m *Memory) restoreLocked(s logic.Session) logic.RestoreResult {
	if err := checkSeen(s.Epoch); err != nil {
		return logic.RestoreResult{Err: err}
	}
	if _, gone := m.gone[linkID{s.Key, s.Server, s.Link}]; gone {
		return logic.RestoreResult{Lost: true}
	}
	old := m.sessions[roster.Bucket(s.Key)][s.Key]
	same := old.Server == s.Server && old.Link == s.Link
	switch {
	case same:
		if s.Platform == "" {
			s.Platform = old.Platform
		}
		m.putLocked(old.Session, entry{Session: s, loser: old.loser})
		return logic.RestoreResult{}
	case old.Epoch >= s.Epoch:
		return logic.RestoreResult{Lost: true}
	}
	m.putLocked(old.Session, entry{Session: s, loser: old.Session})
	return logic.RestoreResult{Loser: old.Session}
}
