package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// staleAfter is how old a hint must be before it is removed for being wrong: a
// younger one may belong to a login whose session is not written yet.
const staleAfter = time.Minute

// hint says that a mid may have a key. It names the link that wrote it.
type hint struct {
	key    ident.Key
	link   string
	server string
	since  int64 // Unix seconds
}

func hintKey(mid int64) string { return "oort:{m:" + strconv.FormatInt(mid, 10) + "}" }

// hintOf is the hash field of a link's hint; none of its parts has a space.
func hintOf(key ident.Key, server ident.Server, link uint64) string {
	return string(key) + " " + strconv.FormatUint(link, 10) + " " + string(server)
}

// addHint returns the commands that write a login's hint; none for nobody.
func (r *Redis) addHint(login logic.Login, now time.Time) []command {
	if login.Mid <= 0 {
		return nil
	}
	keys := []string{hintKey(login.Mid)}
	field := hintOf(login.Key, login.Server, login.Link)
	return []command{
		{name: "HSET", keys: keys, args: []string{field, strconv.FormatInt(now.Unix(), 10)}},
		{name: "PEXPIRE", keys: keys, args: []string{millis(r.ttl.Session)}},
	}
}

func dropHint(mid int64, fields ...string) []command {
	if mid <= 0 {
		return nil
	}
	return []command{{name: "HDEL", keys: []string{hintKey(mid)}, args: fields}}
}

// ByMids implements logic.Store. It costs two round trips: the hints, then the
// sessions that they point to; and a third if some hints were wrong.
func (r *Redis) ByMids(ctx context.Context, mids []int64) ([][]logic.Session, error) {
	hints, err := r.hints(ctx, mids)
	if err != nil {
		return nil, err
	}
	var keys []ident.Key
	at := make(map[ident.Key]int)
	for _, list := range hints {
		for _, h := range list {
			if _, ok := at[h.key]; !ok {
				at[h.key] = len(keys)
				keys = append(keys, h.key)
			}
		}
	}
	sessions, err := r.ByKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := make([][]logic.Session, len(mids))
	var stale []command
	old := r.clock().Add(-staleAfter).Unix()
	for i, mid := range mids {
		var wrong []string
		found[i], wrong = confirm(mid, hints[i], old, func(key ident.Key) logic.Session { return sessions[at[key]] })
		if len(wrong) > 0 {
			stale = append(stale, dropHint(mid, wrong...)...)
		}
	}
	if len(stale) > 0 {
		r.do(ctx, stale) // they are found wrong again if this fails
	}
	return found, nil
}

// confirm returns the sessions of mid among those that its hints point to,
// and the fields of hints that are wrong and were written before old.
func confirm(mid int64, hints []hint, old int64, session func(ident.Key) logic.Session) (found []logic.Session, wrong []string) {
	seen := make(map[ident.Key]struct{}, len(hints))
	for _, h := range hints {
		s := session(h.key)
		if s.Mid == mid && s.Present() {
			if _, dup := seen[h.key]; !dup {
				seen[h.key] = struct{}{}
				found = append(found, s)
			}
		}
		own := s.Mid == mid && string(s.Server) == h.server && strconv.FormatUint(s.Link, 10) == h.link
		if !own && h.since < old {
			wrong = append(wrong, string(h.key)+" "+h.link+" "+h.server)
		}
	}
	return found, wrong
}

// hints reads the hints of each mid.
func (r *Redis) hints(ctx context.Context, mids []int64) ([][]hint, error) {
	if len(mids) == 0 {
		return nil, nil
	}
	commands := make([]command, len(mids))
	for i, mid := range mids {
		commands[i] = command{name: "HGETALL", keys: []string{hintKey(mid)}}
	}
	lists := make([][]hint, len(mids))
	for i, reply := range r.do(ctx, commands) {
		fields, err := reply.AsStrMap()
		if err != nil {
			return nil, fmt.Errorf("session: hints: %w", err)
		}
		for field, since := range fields {
			if h, ok := parseHint(field, since); ok {
				lists[i] = append(lists[i], h)
			}
		}
	}
	return lists, nil
}

func parseHint(field, since string) (h hint, ok bool) {
	parts := strings.Split(field, " ")
	if len(parts) != 3 {
		return h, false
	}
	seconds, err := strconv.ParseInt(since, 10, 64)
	return hint{key: ident.Key(parts[0]), link: parts[1], server: parts[2], since: seconds}, err == nil
}
