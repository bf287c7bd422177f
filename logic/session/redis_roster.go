package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// bucketKey begins the names of all that belongs to a bucket of keys; it has
// the hash tag.
func bucketKey(bucket int) string { return bucketKeys[bucket] }

// bucketKeys are written once: each login needs three.
var bucketKeys = func() (keys [roster.Buckets]string) {
	for b := range keys {
		keys[b] = fmt.Sprintf("oort:{b:%02x}", b)
	}
	return keys
}()

func rosterKey(bucket int, server ident.Server) string {
	return bucketKey(bucket) + ":at:" + string(server)
}

// Digests implements logic.Store: one round trip of 256 small reads.
func (r *Redis) Digests(ctx context.Context, server ident.Server) (*roster.Digests, error) {
	commands := make([]command, roster.Buckets)
	for b := range commands {
		commands[b] = command{name: "HGET", keys: []string{rosterKey(b, server)}, args: []string{""}}
	}
	digests := new(roster.Digests)
	for b, reply := range r.do(ctx, commands) {
		text, err := reply.ToString()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err == nil {
			digests[b], err = strconv.ParseUint(text, 16, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("session: digests of %q: %w", server, err)
		}
	}
	return digests, nil
}

// Roster implements logic.Store.
func (r *Redis) Roster(ctx context.Context, server ident.Server, buckets []int) ([][]logic.Session, error) {
	commands := make([]command, len(buckets))
	for i, b := range buckets {
		commands[i] = command{name: "HGETALL", keys: []string{rosterKey(b, server)}}
	}
	lists := make([][]logic.Session, len(buckets))
	for i, reply := range r.do(ctx, commands) {
		entries, err := reply.AsStrMap()
		if err == nil {
			lists[i], err = parseRoster(server, entries)
		}
		if err != nil {
			return nil, fmt.Errorf("session: roster of %q: %w", server, err)
		}
	}
	return lists, nil
}

func parseRoster(server ident.Server, entries map[string]string) ([]logic.Session, error) {
	list := make([]logic.Session, 0, len(entries))
	for key, entry := range entries {
		if key == "" {
			continue // the digest
		}
		s := logic.Session{Key: ident.Key(key), Server: server}
		if _, err := fmt.Sscan(entry, &s.Mid, &s.Link, &s.Epoch); err != nil {
			return nil, fmt.Errorf("%w: %q of %q", errStored, entry, key)
		}
		list = append(list, s)
	}
	return list, nil
}

// Restore implements logic.Store.
func (r *Redis) Restore(ctx context.Context, sessions []logic.Session) []logic.RestoreResult {
	results := make([]logic.RestoreResult, len(sessions))
	commands := make([]command, 0, 3*len(sessions))
	ends := make([]int, len(sessions)) // sessions[i] has commands[ends[i-1]:ends[i]]
	now := r.clock()
	for i, s := range sessions {
		if results[i].Err = checkSeen(s.Epoch); results[i].Err == nil {
			commands = append(commands, r.addHint(logic.Login{Key: s.Key, Mid: s.Mid, Server: s.Server, Link: s.Link}, now)...)
			commands = append(commands, r.restore(s))
		}
		ends[i] = len(commands)
	}
	replies := r.do(ctx, commands)
	begin := 0
	for i, end := range ends {
		if results[i].Err == nil {
			results[i] = restoreResult(sessions[i], replies[begin:end])
		}
		begin = end
	}
	return results // the hint of one that is lost is found wrong later
}

func (r *Redis) restore(s logic.Session) command {
	return command{
		script: r.scripts.restore,
		keys:   ofLink(s.Key, s.Server, s.Link),
		args: []string{
			strconv.FormatInt(s.Mid, 10), strconv.FormatUint(s.Link, 10), string(s.Server),
			platformWord(s.Platform), strconv.FormatUint(s.Epoch, 10), millis(r.ttl.Session), string(s.Key), rosterKey(roster.Bucket(s.Key), ""),
		},
	}
}

// restoreResult reads the replies to one session.
func restoreResult(s logic.Session, replies []rueidis.RedisResult) logic.RestoreResult {
	session, loser, err := written(s.Key, replies)
	switch {
	case errors.Is(err, errGone):
		return logic.RestoreResult{Lost: true}
	case err != nil:
		return logic.RestoreResult{Err: err}
	case session.Server != s.Server || session.Link != s.Link:
		return logic.RestoreResult{Lost: true}
	}
	return logic.RestoreResult{Loser: loser}
}
