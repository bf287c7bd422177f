package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

func login(s logic.Store, key ident.Key, mid int64, link uint64) logic.LoginResult {
	return s.Connect(context.Background(), []logic.Login{{Key: key, Mid: mid, Server: "c1@1", Link: link}})[0]
}

// TestRestart: a Redis that was restarted has lost sessions and scripts. The
// next login works all the same, and gets an epoch above the old one.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	r := open(t, session.RedisConfig{Addrs: []string{server.Addr}, Timeout: 10 * time.Second})
	before := login(r, "a", 1, 1)
	server.Restart()
	after := login(r, "a", 1, 2)
	if after.Err != nil || after.Epoch <= before.Epoch || after.Loser.Present() {
		t.Errorf("after a restart: %+v, before %+v", after, before)
	}
}

// TestSilentRedis: a Redis that does not answer costs a caller the timeout and
// no more, and works again when it does.
func TestSilentRedis(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	r := open(t, session.RedisConfig{Addrs: []string{server.Addr}, Timeout: 500 * time.Millisecond})
	server.Pause()
	began := time.Now()
	if got := login(r, "a", 1, 1); got.Err == nil {
		t.Errorf("login without Redis: %+v", got)
	}
	if _, err := r.ByKeys(context.Background(), []ident.Key{"a"}); err == nil {
		t.Error("a read without Redis succeeded")
	}
	if err := r.Disconnect(context.Background(), []logic.Session{{Key: "a", Server: "c1@1", Link: 2}})[0]; err == nil {
		t.Error("a disconnect without Redis succeeded")
	}
	if err := r.Ready(context.Background()); err == nil {
		t.Error("ready without Redis")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("four calls took %v", took)
	}
	server.Resume()
	deadline := time.Now().Add(20 * time.Second)
	for r.Ready(context.Background()) != nil {
		if time.Now().After(deadline) {
			t.Fatal("not ready again")
		}
	}
	if got := login(r, "a", 1, 3); got.Err != nil {
		t.Errorf("login afterwards: %v", got.Err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]session.RedisConfig{
		"no address": {},
		"nobody":     {Addrs: []string{"127.0.0.1:1"}},
		"no port":    {Addrs: []string{"127.0.0.1"}},
	} {
		_, err := session.OpenRedis(context.Background(), cfg)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "session: redis") {
			t.Errorf("%s: %v, want one line", name, err)
		}
	}
}

// TestOpenWrongPassword checks the error, and that the password is not in it.
func TestOpenWrongPassword(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	_, err := session.OpenRedis(context.Background(), session.RedisConfig{
		Addrs: []string{server.Addr}, Login: func() (string, string) { return "u", "hunter22" },
	})
	if err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("wrong password: %v", err)
	}
}

// TestStaleHints: what a crashed comet left behind in a mid's hash is removed
// once it has been wrong for long, and no sooner; a hint that is right stays.
func TestStaleHints(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	now := time.Now()
	clock := func() time.Time { return now }
	r := open(t, session.RedisConfig{Addrs: []string{server.Addr}, Clock: clock})
	raw := dial(t, server)
	login(r, "a", 5, 1)
	login(r, "a", 5, 2) // the first link crashes and never says goodbye
	login(r, "b", 5, 3)
	login(r, "b", 6, 4) // b belongs to another user now
	for _, step := range []struct {
		later time.Duration
		want  int64
	}{{0, 3}, {30 * time.Second, 3}, {time.Minute, 1}} {
		now = now.Add(step.later)
		if found, err := r.ByMids(context.Background(), []int64{5}); err != nil || len(found[0]) != 1 || found[0][0].Link != 2 {
			t.Errorf("after %v: mid 5 has %+v (%v), want link 2", step.later, found, err)
		}
		got, err := raw.Do(context.Background(), raw.B().Hlen().Key("oort:{m:5}").Build()).AsInt64()
		if err != nil || got != step.want {
			t.Errorf("after %v: %d hints (%v), want %d", step.later, got, err, step.want)
		}
	}
}

// TestEverythingExpires: whatever a login writes has a time to live.
func TestEverythingExpires(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	r := open(t, session.RedisConfig{Addrs: []string{server.Addr}})
	raw := dial(t, server)
	login(r, "a", 5, 1)
	r.Disconnect(context.Background(), []logic.Session{{Key: "b", Mid: 5, Server: "c1@1", Link: 1}})
	if err := r.Renew(context.Background(), logic.Comet{Server: "c1@1", Counter: 1, Leased: true}, map[string]int32{"live://1": 1}); err != nil {
		t.Fatal(err)
	}
	keys, err := raw.Do(context.Background(), raw.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil || len(keys) != 9 {
		t.Fatalf("keys %q (%v), want nine", keys, err)
	}
	for _, key := range keys {
		ttl, err := raw.Do(context.Background(), raw.B().Pttl().Key(key).Build()).AsInt64()
		if err != nil || ttl <= 0 {
			t.Errorf("%s lives %d ms (%v)", key, ttl, err)
		}
	}
}

// TestPartLoss: one of three masters loses its data. The digests that differ then
// are those of the buckets that lie there, and restoring these makes them whole;
// hints by mid that lay there are back when all is restored.
func TestPartLoss(t *testing.T) {
	t.Parallel()
	node := sessiontest.StartCluster(t)
	r := open(t, session.RedisConfig{Addrs: []string{node.Addr}, Timeout: 30 * time.Second})
	var own roster.Digests
	var held [roster.Buckets][]logic.Session
	var keys []ident.Key
	for i := range 2000 {
		s := logic.Session{Key: ident.Key(fmt.Sprint("k", i)), Mid: int64(1 + i%100), Server: "c1@1", Link: uint64(i + 1)}
		got := login(r, s.Key, s.Mid, s.Link)
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		s.Epoch = got.Epoch
		b := roster.Bucket(s.Key)
		own[b] ^= roster.Hash(s.Key, s.Mid, s.Link, s.Epoch)
		held[b] = append(held[b], s)
		keys = append(keys, s.Key)
	}
	flushNode(t, node)
	differ := 0
	for b, d := range digestsOf(t, r) {
		if d == own[b] {
			continue
		}
		if differ++; d != 0 {
			t.Fatalf("bucket %d is lost in part", b)
		}
		for i, got := range r.Restore(context.Background(), held[b]) {
			if got != (logic.RestoreResult{}) {
				t.Fatalf("restore %+v: %+v", held[b][i], got)
			}
		}
	}
	if differ < 40 || differ > 130 {
		t.Errorf("%d buckets of 256 were on one of three masters", differ)
	}
	if digestsOf(t, r) != own {
		t.Error("digests still differ")
	}
	sessions, err := r.ByKeys(context.Background(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sessions {
		if s.Link != uint64(i+1) {
			t.Fatalf("%s is %+v", keys[i], s)
		}
	}
	for b := range held {
		for _, got := range r.Restore(context.Background(), held[b]) {
			if got.Err != nil || got.Lost {
				t.Fatalf("restore: %+v", got)
			}
		}
	}
	lists, err := r.ByMids(context.Background(), []int64{1, 50, 100})
	if err != nil || len(lists[0]) != 20 || len(lists[1]) != 20 || len(lists[2]) != 20 {
		t.Errorf("mids have %d, %d, %d sessions (%v), want 20 each", len(lists[0]), len(lists[1]), len(lists[2]), err)
	}
}

func digestsOf(t *testing.T, r *session.Redis) roster.Digests {
	t.Helper()
	d, err := r.Digests(context.Background(), "c1@1")
	if err != nil {
		t.Fatal(err)
	}
	return *d
}

func flushNode(t *testing.T, node *sessiontest.RedisServer) {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{node.Addr}, DisableCache: true, ForceSingleClient: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Do(context.Background(), client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

// TestStrangeValue: what is no session is an error, not a session.
func TestStrangeValue(t *testing.T) {
	t.Parallel()
	server := sessiontest.StartRedis(t)
	r := open(t, session.RedisConfig{Addrs: []string{server.Addr}})
	raw := dial(t, server)
	key := fmt.Sprintf("oort:{b:%02x}:k:a", roster.Bucket("a"))
	for _, value := range []string{"", "1 2", "x 1 2 c1@1 p", "1 2 3 c1@1", "1 2 3 c1@1 x", "1 2 3 c1@1 p%", "1 2 3 c1@1 p 4", "1 2 3 c1@1 p 4 5 6 7"} {
		if err := raw.Do(context.Background(), raw.B().Set().Key(key).Value(value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ByKeys(context.Background(), []ident.Key{"a"}); err == nil {
			t.Errorf("%q is %+v", value, got)
		}
	}
}

func dial(t *testing.T, server *sessiontest.RedisServer) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
