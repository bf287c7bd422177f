package session

import (
	"context"
	"maps"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// Renew implements logic.Registry.
func (m *Memory) Renew(_ context.Context, c logic.Comet, rooms map[string]int32) error {
	now := m.clock()
	rooms = maps.Clone(rooms)
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.comets[c.Server]
	if ok && old.comet.Counter >= c.Counter && now.Before(old.until) {
		return nil
	}
	m.comets[c.Server] = lease{comet: c, rooms: rooms, until: now.Add(m.ttl.Record)}
	return nil
}

// Leave implements logic.Registry.
func (m *Memory) Leave(_ context.Context, server ident.Server) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.comets, server)
	return nil
}

// Comets implements logic.Registry.
func (m *Memory) Comets(context.Context) ([]logic.Comet, error) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]logic.Comet, 0, len(m.comets))
	for server, l := range m.comets {
		if now.Before(l.until) {
			list = append(list, l.comet)
		} else {
			delete(m.comets, server)
		}
	}
	return list, nil
}

// Rooms implements logic.Registry.
func (m *Memory) Rooms(_ context.Context, servers []ident.Server) ([]map[string]int32, error) {
	lists := make([]map[string]int32, len(servers))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, server := range servers {
		lists[i] = maps.Clone(m.comets[server].rooms)
	}
	return lists, nil
}
