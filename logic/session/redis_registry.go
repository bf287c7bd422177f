package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bytedance/sonic"
	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// The registry lies in one slot, so that a renewal is one script.
const (
	indexKey  = "oort:{reg}:index"
	recordKey = "oort:{reg}:c:"
	roomsKey  = "oort:{reg}:r:"
)

// Renew implements logic.Registry.
func (r *Redis) Renew(ctx context.Context, c logic.Comet, rooms map[string]int32) error {
	record, err := sonic.MarshalString(c)
	if err != nil {
		return fmt.Errorf("session: renew: %w", err)
	}
	counts, err := sonic.MarshalString(rooms)
	if err != nil {
		return fmt.Errorf("session: renew: %w", err)
	}
	server := string(c.Server)
	return r.one(ctx, "renew", command{
		script: r.scripts.renew,
		keys:   []string{recordKey + server, roomsKey + server, indexKey},
		args:   []string{server, strconv.FormatUint(c.Counter, 10), record, counts, millis(r.ttl.Record)},
	})
}

// Leave implements logic.Registry. A reader between its commands finds the
// server in the index without a record, which means the same.
func (r *Redis) Leave(ctx context.Context, server ident.Server) error {
	for _, reply := range r.do(ctx, []command{
		{name: "DEL", keys: []string{recordKey + string(server), roomsKey + string(server)}},
		{name: "ZREM", keys: []string{indexKey}, args: []string{string(server)}},
	}) {
		if err := reply.Error(); err != nil {
			return fmt.Errorf("session: leave: %w", err)
		}
	}
	return nil
}

// Comets implements logic.Registry.
func (r *Redis) Comets(ctx context.Context) ([]logic.Comet, error) {
	servers, err := r.do(ctx, []command{{name: "ZRANGE", keys: []string{indexKey}, args: []string{"0", "-1"}}})[0].AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("session: comets: %w", err)
	}
	records, err := r.mget(ctx, recordKey, servers)
	if err != nil {
		return nil, fmt.Errorf("session: comets: %w", err)
	}
	comets := make([]logic.Comet, 0, len(records))
	for _, record := range records {
		if record == "" {
			continue
		}
		_, record, _ = strings.Cut(record, " ")
		var c logic.Comet
		if err := sonic.UnmarshalString(record, &c); err != nil {
			return nil, fmt.Errorf("session: comets: %w", err)
		}
		comets = append(comets, c)
	}
	return comets, nil
}

// Rooms implements logic.Registry.
func (r *Redis) Rooms(ctx context.Context, servers []ident.Server) ([]map[string]int32, error) {
	names := make([]string, len(servers))
	for i, server := range servers {
		names[i] = string(server)
	}
	values, err := r.mget(ctx, roomsKey, names)
	if err != nil {
		return nil, fmt.Errorf("session: rooms: %w", err)
	}
	lists := make([]map[string]int32, len(servers))
	for i, value := range values {
		if value == "" {
			continue
		}
		if err := sonic.UnmarshalString(value, &lists[i]); err != nil {
			return nil, fmt.Errorf("session: rooms of %q: %w", servers[i], err)
		}
	}
	return lists, nil
}

// mget reads prefix+name for each name; "" for what is not there.
func (r *Redis) mget(ctx context.Context, prefix string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = prefix + name
	}
	replies, err := r.do(ctx, []command{{name: "MGET", keys: keys}})[0].ToArray()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(replies))
	for i, reply := range replies {
		if values[i], err = reply.ToString(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
	}
	return values, nil
}

// one runs a single command whose reply does not matter.
func (r *Redis) one(ctx context.Context, verb string, c command) error {
	if err := r.do(ctx, []command{c})[0].Error(); err != nil {
		return fmt.Errorf("session: %s: %w", verb, err)
	}
	return nil
}
