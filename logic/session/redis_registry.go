package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	begunKey  = "oort:{reg}:begun"
	lossKey   = "oort:{reg}:loss"
)

// leftCounter is above every counter of a renewal.
const leftCounter = "18446744073709551615"

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
	return r.enter(ctx, "renew", c.Server, strconv.FormatUint(c.Counter, 10), record, counts, c.Leased)
}

// Leave implements logic.Registry. It is a renewal that no other outbids.
func (r *Redis) Leave(ctx context.Context, server ident.Server) error {
	record, err := sonic.MarshalString(logic.Comet{Server: server, Left: true})
	if err != nil {
		return fmt.Errorf("session: leave: %w", err)
	}
	return r.enter(ctx, "leave", server, leftCounter, record, "null", false)
}

// enter stores a record, unless one with a higher counter is there.
func (r *Redis) enter(ctx context.Context, verb string, server ident.Server, counter, record, rooms string, leased bool) error {
	name, had := string(server), "0"
	if leased {
		had = "1"
	}
	return r.one(ctx, verb, command{
		script: r.scripts.renew,
		keys:   []string{recordKey + name, roomsKey + name, indexKey, begunKey, lossKey},
		args:   []string{name, counter, record, rooms, millis(r.ttl.Record), had},
	})
}

// Comets implements logic.Registry. The age is read last, so that a loss while
// the registry is read is not missed.
func (r *Redis) Comets(ctx context.Context) (logic.Listing, error) {
	list, err := r.listing(ctx)
	if err != nil {
		return logic.Listing{}, fmt.Errorf("session: comets: %w", err)
	}
	return list, nil
}

func (r *Redis) listing(ctx context.Context) (list logic.Listing, err error) {
	servers, err := r.do(ctx, []command{{name: "ZRANGE", keys: []string{indexKey}, args: []string{"0", "-1"}}})[0].AsStrSlice()
	if err != nil {
		return list, err
	}
	records, err := r.mget(ctx, recordKey, servers)
	if err != nil {
		return list, err
	}
	for _, record := range records {
		if record == "" {
			continue
		}
		_, record, _ = strings.Cut(record, " ")
		var c logic.Comet
		if err := sonic.UnmarshalString(record, &c); err != nil {
			return list, err
		}
		list.Comets = append(list.Comets, c)
	}
	ages, err := r.do(ctx, []command{{script: r.scripts.ages, keys: []string{begunKey, lossKey}}})[0].AsIntSlice()
	if err != nil {
		return list, err
	}
	if len(ages) != 2 {
		return list, fmt.Errorf("%d ages, want 2", len(ages))
	}
	list.Age, list.Loss = age(ages[0], 0), age(ages[1], logic.Never)
	return list, nil
}

// age is one of ages.lua's answers.
func age(ms int64, never time.Duration) time.Duration {
	if ms < 0 {
		return never
	}
	return time.Duration(ms) * time.Millisecond
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
