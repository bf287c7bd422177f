package session_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/logic/session/sessiontest"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/roster"
)

// links are what a comet holds, by bucket, with their digests.
type links struct {
	held [roster.Buckets][]logic.Session
	own  roster.Digests
}

// login logs n links in and holds them.
func (l *links) login(t *testing.T, r *session.Redis, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		s := logic.Session{Key: ident.Key(fmt.Sprint("k", i)), Mid: int64(i), Server: "c1@1", Link: uint64(i)}
		got := login(r, s.Key, s.Mid, s.Link)
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		s.Epoch = got.Epoch
		b := roster.Bucket(s.Key)
		l.held[b] = append(l.held[b], s)
		l.own[b] ^= roster.Hash(s.Key, s.Mid, s.Link, s.Epoch)
	}
}

// mend restores the buckets whose digests differ and returns how many did.
func (l *links) mend(t *testing.T, r *session.Redis) (differed int) {
	t.Helper()
	stored := digestsOf(t, r)
	for b, own := range l.own {
		if stored[b] == own {
			continue
		}
		differed++
		for i, got := range r.Restore(context.Background(), l.held[b]) {
			if got.Err != nil || got.Lost {
				t.Fatalf("restore %+v: %+v", l.held[b][i], got)
			}
		}
	}
	return differed
}

// eventually waits for what a failover delays.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	err := ok()
	for limit := time.Now().Add(30 * time.Second); err != nil; err = ok() {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain: %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pair is a master with a replica, and the sentinel that chooses between them.
func pair(t *testing.T) (master, replica, sentinel *sessiontest.RedisServer, r *session.Redis) {
	t.Helper()
	master = sessiontest.StartRedis(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr)
	replica = sessiontest.StartRedis(t, "--replicaof", host, port)
	sentinel = sessiontest.StartSentinel(t, master, "")
	r = open(t, session.RedisConfig{Addrs: []string{sentinel.Addr}, Master: sessiontest.Master})
	sentinel.KnowsReplica()
	return master, replica, sentinel, r
}

// replicated waits until the replica has what the master had when it was called.
func replicated(t *testing.T, master *sessiontest.RedisServer) {
	t.Helper()
	raw := dial(t, master)
	eventually(t, "the replica has all", func() error {
		n, err := raw.Do(context.Background(), raw.B().Wait().Numreplicas(1).Timeout(1000).Build()).AsInt64()
		if err == nil && n < 1 {
			err = fmt.Errorf("%d replicas", n)
		}
		return err
	})
}

// TestFailover: the master dies with writes that its replica has not seen. At the
// successor the digests tell which buckets lack logins, and no other; restoring
// those makes them whole, and a login there is above the one that was lost.
func TestFailover(t *testing.T) {
	t.Parallel()
	master, replica, _, r := pair(t)
	var l links
	l.login(t, r, 1, 300)
	replicated(t, master)
	replica.Pause()
	raw := dial(t, master)
	if err := raw.Do(context.Background(), raw.B().Arbitrary("CLIENT", "KILL", "TYPE", "replica").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	l.login(t, r, 301, 20) // acknowledged, and lost
	master.Kill()
	replica.Resume()
	eventually(t, "the successor answers", func() error {
		return r.Disconnect(context.Background(), []logic.Session{{Key: "nobody", Server: "c1@1", Link: 1 << 40}})[0]
	})
	if differed := l.mend(t, r); differed == 0 || differed > 20 {
		t.Errorf("%d buckets differed after 20 logins were lost", differed)
	}
	if digestsOf(t, r) != l.own {
		t.Error("digests still differ")
	}
	for _, held := range l.held {
		for _, s := range held {
			if s.Link <= 300 {
				continue
			}
			if got := login(r, s.Key, s.Mid, 1000+s.Link); got.Err != nil || got.Epoch <= s.Epoch || got.Loser.Link != s.Link {
				t.Fatalf("a login over %+v: %+v", s, got)
			}
		}
	}
}

// TestOldMasterComesBack: the master is not dead but cut off, and comes back when
// it has a successor, to which logins go from then on.
func TestOldMasterComesBack(t *testing.T) {
	t.Parallel()
	master, replica, _, r := pair(t)
	var l links
	l.login(t, r, 1, 10)
	replicated(t, master)
	master.Pause()
	raw := dial(t, replica)
	eventually(t, "the replica is promoted", func() error {
		role, err := raw.Do(context.Background(), raw.B().Role().Build()).ToArray()
		if err != nil {
			return err
		}
		if name, _ := role[0].ToString(); name != "master" {
			return fmt.Errorf("it is a %s", name)
		}
		return nil
	})
	master.Resume()
	began, link := time.Now(), uint64(100)
	key := fmt.Sprintf("oort:{b:%02x}:k:again", roster.Bucket("again"))
	eventually(t, "logins reach the successor", func() error {
		link++
		if got := login(r, "again", 5, link); got.Err != nil {
			return got.Err
		}
		return raw.Do(context.Background(), raw.B().Get().Key(key).Build()).Error()
	})
	t.Logf("logins reached the successor %v after the old master's return", time.Since(began).Round(time.Millisecond))
	l.mend(t, r)
	sessions, err := r.ByKeys(context.Background(), []ident.Key{"k1", "k10", "again"})
	if err != nil || sessions[0].Link != 1 || sessions[1].Link != 10 || sessions[2].Link != link {
		t.Errorf("%+v, %v", sessions, err)
	}
}
