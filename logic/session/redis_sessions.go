package session

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// errStored: what is stored is none of ours.
var errStored = errors.New("session: not a session")

func sessionKey(key ident.Key) string { return bucketKey(roster.Bucket(key)) + ":k:" + string(key) }

func goneKey(key ident.Key, server ident.Server, link uint64) string {
	return bucketKey(roster.Bucket(key)) + ":gone:" + string(server) + "/" + strconv.FormatUint(link, 10) + ":" + string(key)
}

// ofLink are the keys of the scripts that concern one link.
func ofLink(key ident.Key, server ident.Server, link uint64) []string {
	return []string{sessionKey(key), goneKey(key, server, link), rosterKey(roster.Bucket(key), server)}
}

// Connect implements logic.Store.
func (r *Redis) Connect(ctx context.Context, logins []logic.Login) []logic.LoginResult {
	results := make([]logic.LoginResult, len(logins))
	commands := make([]command, 0, 3*len(logins))
	ends := make([]int, len(logins)) // logins[i] has commands[ends[i-1]:ends[i]]
	now := r.clock()
	for i, login := range logins {
		if results[i].Err = checkSeen(login.Seen); results[i].Err == nil {
			commands = append(commands, r.addHint(login, now)...)
			commands = append(commands, r.connect(login))
		}
		ends[i] = len(commands)
	}
	replies := r.do(ctx, commands)
	var refused []command
	begin := 0
	for i, end := range ends {
		if results[i].Err == nil {
			results[i] = loginResult(logins[i].Key, replies[begin:end])
		}
		if results[i].Refused {
			refused = append(refused, dropHint(logins[i].Mid, hintOf(logins[i].Key, logins[i].Server, logins[i].Link))...)
		}
		begin = end
	}
	if len(refused) > 0 {
		r.do(ctx, refused) // a hint that stays is found wrong later
	}
	return results
}

func (r *Redis) connect(login logic.Login) command {
	return command{
		script: r.scripts.connect,
		keys:   ofLink(login.Key, login.Server, login.Link),
		args: []string{
			strconv.FormatInt(login.Mid, 10), strconv.FormatUint(login.Link, 10), string(login.Server),
			platformWord(login.Platform), strconv.FormatUint(login.Seen, 10), millis(r.ttl.Session),
			string(login.Key), rosterKey(roster.Bucket(login.Key), ""),
		},
	}
}

// loginResult reads the replies to one login.
func loginResult(key ident.Key, replies []rueidis.RedisResult) logic.LoginResult {
	session, loser, err := written(key, replies)
	switch {
	case errors.Is(err, errGone):
		return logic.LoginResult{Refused: true}
	case err != nil:
		return logic.LoginResult{Err: err}
	}
	return logic.LoginResult{Epoch: session.Epoch, Loser: loser}
}

// errGone: the link has said goodbye.
var errGone = errors.New("session: the link is gone")

// written reads the replies to what writes one session: those to its hint, of
// which none may have failed, and that to the script, which is who has the key.
func written(key ident.Key, replies []rueidis.RedisResult) (session, loser logic.Session, err error) {
	last := len(replies) - 1
	for _, reply := range replies[:last] {
		if err := reply.Error(); err != nil {
			return session, loser, fmt.Errorf("session: hint: %w", err)
		}
	}
	stored, err := replies[last].ToString()
	if rueidis.IsRedisNil(err) {
		return session, loser, errGone
	}
	if err != nil {
		return session, loser, fmt.Errorf("session: write: %w", err)
	}
	return parse(key, stored)
}

// Disconnect implements logic.Store.
func (r *Redis) Disconnect(ctx context.Context, sessions []logic.Session) []error {
	errs := make([]error, len(sessions))
	commands := make([]command, 0, 2*len(sessions))
	at := make([]int, 0, 2*len(sessions)) // commands[i] is for sessions[at[i]]
	for i, s := range sessions {
		commands = append(commands, r.disconnect(s))
		commands = append(commands, dropHint(s.Mid, hintOf(s.Key, s.Server, s.Link))...)
		for len(at) < len(commands) {
			at = append(at, i)
		}
	}
	for i, reply := range r.do(ctx, commands) {
		if err := reply.Error(); err != nil {
			errs[at[i]] = fmt.Errorf("session: disconnect: %w", err)
		}
	}
	return errs
}

func (r *Redis) disconnect(s logic.Session) command {
	return command{
		script: r.scripts.disconnect,
		keys:   ofLink(s.Key, s.Server, s.Link),
		args: []string{
			strconv.FormatUint(s.Link, 10), string(s.Server),
			strconv.FormatUint(s.Epoch, 10), millis(r.ttl.Tombstone), string(s.Key), millis(r.ttl.Session),
		},
	}
}

// ByKeys implements logic.Store.
func (r *Redis) ByKeys(ctx context.Context, keys []ident.Key) ([]logic.Session, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	commands := make([]command, len(keys))
	for i, key := range keys {
		commands[i] = command{name: "GET", keys: []string{sessionKey(key)}}
	}
	sessions := make([]logic.Session, len(keys))
	for i, reply := range r.do(ctx, commands) {
		stored, err := reply.ToString()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err == nil {
			sessions[i], _, err = parse(keys[i], stored)
		}
		if err != nil {
			return nil, fmt.Errorf("session: read: %w", err)
		}
	}
	return sessions, nil
}

// parse reads a session and the one that it replaced as connect.lua wrote them.
// The epoch alone, which disconnect.lua leaves, is no session.
func parse(key ident.Key, stored string) (session, loser logic.Session, err error) {
	fields := strings.Fields(stored)
	if len(fields) == 1 {
		return session, loser, nil
	}
	if len(fields) != 5 && len(fields) != 10 {
		return session, loser, fmt.Errorf("%w: %d fields", errStored, len(fields))
	}
	if session, err = parseFive(key, fields[:5]); err == nil && len(fields) == 10 {
		loser, err = parseFive(key, fields[5:])
	}
	return session, loser, err
}

func parseFive(key ident.Key, fields []string) (logic.Session, error) {
	epoch, err1 := strconv.ParseUint(fields[0], 10, 64)
	mid, err2 := strconv.ParseInt(fields[1], 10, 64)
	link, err3 := strconv.ParseUint(fields[2], 10, 64)
	platform, err4 := parsePlatform(fields[4])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return logic.Session{}, fmt.Errorf("%w: %q", errStored, fields)
	}
	return logic.Session{
		Key: key, Mid: mid, Server: ident.Server(fields[3]), Link: link, Epoch: epoch, Platform: platform,
	}, nil
}

// platformWord is a platform as one word that is never empty.
func platformWord(platform string) string { return "p" + url.QueryEscape(platform) }

func parsePlatform(word string) (string, error) {
	escaped, ok := strings.CutPrefix(word, "p")
	if !ok {
		return "", errStored
	}
	return url.QueryUnescape(escaped)
}

func checkSeen(seen uint64) error {
	if seen > maxSeen {
		return fmt.Errorf("session: seen epoch %d is none that was ever issued", seen)
	}
	return nil
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
