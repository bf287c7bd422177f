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
	ok = ok && now.Before(old.until)
	if ok && (old.comet.Left || old.comet.Counter >= c.Counter) {
		return nil
	}
	if m.begun.IsZero() {
		m.begun = now
	}
	if !ok && c.Leased {
		m.loss = now
	}
	m.comets[c.Server] = lease{comet: c, rooms: rooms, until: now.Add(m.ttl.Record)}
	return nil
}

// Leave implements logic.Registry.
func (m *Memory) Leave(_ context.Context, server ident.Server) error {
	until := m.clock().Add(m.ttl.Record)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.comets[server] = lease{comet: logic.Comet{Server: server, Left: true}, until: until}
	return nil
}

// Comets implements logic.Registry.
func (m *Memory) Comets(context.Context) (logic.Listing, error) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := logic.Listing{Loss: logic.Never}
	for server, l := range m.comets {
		if now.Before(l.until) {
			list.Comets = append(list.Comets, l.comet)
		} else {
			delete(m.comets, server)
		}
	}
	if !m.begun.IsZero() {
		list.Age = now.Sub(m.begun)
	}
	if !m.loss.IsZero() {
		list.Loss = now.Sub(m.loss)
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
