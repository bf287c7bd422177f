package logic

import (
	"context"
	"fmt"

	"github.com/oortim/oort/proto/ident"
)

// lookup is what must be read from the store for some pushes.
type lookup struct {
	keys []ident.Key
	mids []int64
}

// online is what was read: sessions on living comets only.
type online struct {
	keys map[ident.Key]Session
	mids map[int64][]Session
}

// wanted collects the keys and mids of the good pushes, each once.
func wanted(pushes []Push, results []PushResult) (want lookup) {
	keys := make(map[ident.Key]struct{})
	mids := make(map[int64]struct{})
	for i := range pushes {
		if results[i].Err != nil {
			continue
		}
		want.keys = distinct(want.keys, pushes[i].Keys, keys)
		want.mids = distinct(want.mids, pushes[i].Mids, mids)
	}
	return want
}

// distinct appends those of more that are not in seen, and adds them to it.
func distinct[T comparable](list, more []T, seen map[T]struct{}) []T {
	for _, one := range more {
		if _, dup := seen[one]; !dup {
			seen[one] = struct{}{}
			list = append(list, one)
		}
	}
	return list
}

// resolve finds who is online. The error wraps ErrUnavailable.
func (s *Service) resolve(ctx context.Context, want lookup) (online, error) {
	sessions, byMid, err := s.read(ctx, want)
	if err != nil {
		return online{}, err
	}
	alive, err := s.observer.alive(ctx, servers(sessions, byMid))
	if err != nil {
		return online{}, fmt.Errorf("%w: registry: %w", ErrUnavailable, err)
	}
	found := online{keys: make(map[ident.Key]Session, len(sessions)), mids: make(map[int64][]Session, len(byMid))}
	for _, session := range sessions {
		if session.Present() && alive[session.Server] {
			found.keys[session.Key] = session
		}
	}
	for i, list := range byMid {
		for _, session := range list {
			if alive[session.Server] {
				found.mids[want.mids[i]] = append(found.mids[want.mids[i]], session)
			}
		}
	}
	return found, nil
}

// Where says which living comet has each key's session, in order; "" for a key
// that is offline. The error wraps ErrUnavailable.
func (s *Service) Where(ctx context.Context, keys []ident.Key) ([]ident.Server, error) {
	found, err := s.resolve(ctx, lookup{keys: keys})
	if err != nil {
		return nil, err
	}
	servers := make([]ident.Server, len(keys))
	for i, key := range keys {
		servers[i] = found.keys[key].Server
	}
	return servers, nil
}

func (s *Service) read(ctx context.Context, want lookup) (sessions []Session, byMid [][]Session, err error) {
	if len(want.keys) > 0 {
		if sessions, err = s.cfg.Sessions.ByKeys(ctx, want.keys); err != nil {
			return nil, nil, fmt.Errorf("%w: sessions: %w", ErrUnavailable, err)
		}
	}
	if len(want.mids) > 0 {
		if byMid, err = s.cfg.Sessions.ByMids(ctx, want.mids); err != nil {
			return nil, nil, fmt.Errorf("%w: sessions: %w", ErrUnavailable, err)
		}
	}
	return sessions, byMid, nil
}

// servers lists the comets that sessions name, each once.
func servers(sessions []Session, byMid [][]Session) (list []ident.Server) {
	seen := make(map[ident.Server]struct{})
	add := func(sessions []Session) {
		for _, session := range sessions {
			if session.Present() {
				list = distinct(list, []ident.Server{session.Server}, seen)
			}
		}
	}
	add(sessions)
	for _, sessions := range byMid {
		add(sessions)
	}
	return list
}

// targets lists the sessions of one direct push, each key once, and notes in
// its result who is absent.
func targets(p *Push, result *PushResult, found online) (list []Session) {
	seen := make(map[ident.Key]struct{}, len(p.Keys))
	for _, key := range distinct(nil, p.Keys, seen) {
		if session, ok := found.keys[key]; ok {
			list = append(list, session)
		} else {
			result.AbsentKeys = append(result.AbsentKeys, key)
		}
	}
	for _, mid := range distinct(nil, p.Mids, make(map[int64]struct{}, len(p.Mids))) {
		if len(found.mids[mid]) == 0 {
			result.AbsentMids = append(result.AbsentMids, mid)
		}
		for _, session := range found.mids[mid] {
			if _, dup := seen[session.Key]; !dup {
				seen[session.Key] = struct{}{}
				list = append(list, session)
			}
		}
	}
	return list
}
