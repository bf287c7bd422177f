package logic_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/auth"
	"github.com/oortim/oort/logic/logictest"
	"github.com/oortim/oort/logic/session"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	c1 = ident.Server("c1@1")
	c2 = ident.Server("c2@1")
	c3 = ident.Server("c3@1")
)

var errBroken = errors.New("broken on purpose")

// flaky is a store and registry that fails while it is told to.
type flaky struct {
	*session.Memory

	mu                 sync.Mutex // guards what follows
	sessions, registry bool
	blind              bool   // cannot find sessions by mid
	silent             bool   // logins are carried out and not answered
	onList             func() // called while a list of comets is on its way
}

func (f *flaky) fail(sessions, registry bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions, f.registry = sessions, registry
}

func (f *flaky) unheard(silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = silent
}

func (f *flaky) err(registry bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if registry && f.registry || !registry && f.sessions {
		return errBroken
	}
	return nil
}

func (f *flaky) Connect(ctx context.Context, logins []logic.Login) []logic.LoginResult {
	if err := f.err(false); err != nil {
		results := make([]logic.LoginResult, len(logins))
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	results := f.Memory.Connect(ctx, logins)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range results {
		if f.silent {
			results[i] = logic.LoginResult{Err: errBroken}
		}
	}
	return results
}

func (f *flaky) Disconnect(ctx context.Context, sessions []logic.Session) []error {
	if err := f.err(false); err != nil {
		errs := make([]error, len(sessions))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return f.Memory.Disconnect(ctx, sessions)
}

func (f *flaky) ByKeys(ctx context.Context, keys []ident.Key) ([]logic.Session, error) {
	if err := f.err(false); err != nil {
		return nil, err
	}
	return f.Memory.ByKeys(ctx, keys)
}

func (f *flaky) ByMids(ctx context.Context, mids []int64) ([][]logic.Session, error) {
	if f.blind && len(mids) > 0 {
		return nil, errBroken
	}
	return f.Memory.ByMids(ctx, mids)
}

func (f *flaky) Ready(context.Context) error { return f.err(false) }

func (f *flaky) Comets(ctx context.Context) (logic.Listing, error) {
	if err := f.err(true); err != nil {
		return logic.Listing{}, err
	}
	list, err := f.Memory.Comets(ctx)
	f.mu.Lock()
	hook := f.onList
	f.onList = nil
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
	return list, err
}

func (f *flaky) Renew(ctx context.Context, c logic.Comet, rooms map[string]int32) error {
	if err := f.err(true); err != nil {
		return err
	}
	return f.Memory.Renew(ctx, c, rooms)
}

// world is one logic, with what lies behind it in the test's hands.
type world struct {
	t     *testing.T
	svc   *logic.Service
	store *flaky
	pub   *logictest.Publisher
	clock *clock
	count map[ident.Server]uint64 // counters of the comets
	link  uint64
}

// clock is a clock that a test turns.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newWorld starts a logic that reads its registry only when the test makes it:
// its own refreshing is an hour away.
func newWorld(t *testing.T, change ...func(*logic.Config)) *world {
	t.Helper()
	w := &world{t: t, pub: &logictest.Publisher{}, clock: &clock{now: time.Now()}, count: map[ident.Server]uint64{}}
	w.store = &flaky{Memory: session.NewMemory(session.TTLs{Record: 1000 * time.Hour}, w.clock.Now)}
	w.svc = w.open(change...)
	return w
}

// open starts another logic on the same stores.
func (w *world) open(change ...func(*logic.Config)) *logic.Service {
	w.t.Helper()
	cfg := logic.Config{
		Sessions: w.store, Registry: w.store, Publisher: w.pub, Auth: auth.Open{},
		Clock: w.clock.Now, Refresh: time.Hour, Lease: 3 * time.Hour, Gather: -1,
	}
	for _, f := range change {
		f(&cfg)
	}
	svc, err := logic.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := svc.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return svc
}

// renew renews the leases of comets by svc.
func (w *world) renew(svc *logic.Service, servers ...ident.Server) {
	w.t.Helper()
	for _, server := range servers {
		w.renewRooms(svc, server, map[string]int32{"live://1": 1})
	}
}

func (w *world) renewRooms(svc *logic.Service, server ident.Server, rooms map[string]int32) map[string]int32 {
	w.t.Helper()
	w.count[server]++
	totals, lease, err := svc.Renew(context.Background(), logic.Comet{
		Server: server, TCPAddr: string(server.Name()), Links: 10, MaxLinks: 100, Counter: w.count[server],
	}, rooms)
	if err != nil || lease == 0 {
		w.t.Fatalf("renew %s: %v, lease %v", server, err, lease)
	}
	return totals
}

// connect logs a key in and returns its session.
func (w *world) connect(server ident.Server, key string, mid int64) logic.Session {
	w.t.Helper()
	r := w.tryConnect(server, fmt.Sprintf(`{"key":%q,"mid":%d}`, key, mid))
	if r.Status != logic.StatusOK {
		w.t.Fatalf("connect %s: %+v", key, r)
	}
	return logic.Session{Key: r.Key, Mid: r.Mid, Server: server, Link: r.Link, Epoch: r.Epoch}
}

func (w *world) tryConnect(server ident.Server, body string) logic.ConnectResult {
	w.t.Helper()
	w.link++
	results := w.svc.Connect(context.Background(), server, []logic.ConnectRequest{{Link: w.link, Credentials: logic.Credentials{Body: []byte(body)}}})
	if len(results) != 1 || results[0].Link != w.link {
		w.t.Fatalf("%+v for link %d", results, w.link)
	}
	return results[0]
}

// push pushes to keys and returns what became of it.
func (w *world) push(svc *logic.Service, keys ...ident.Key) logic.PushResult {
	w.t.Helper()
	return svc.Push(context.Background(), []logic.Push{{Keys: keys, Op: 1000, Body: []byte("x")}})[0]
}

// until waits for a condition that comes about in the background.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// kicks describes records of kicks as "server key epoch reason".
func kicks(records []*pushpb.Push) (list []string) {
	for _, r := range records {
		if r.Kind != pushpb.Kind_KIND_KICK {
			list = append(list, r.Kind.String())
			continue
		}
		for i, key := range r.Keys {
			list = append(list, fmt.Sprint(r.Server, " ", key, " ", r.Epochs[i], " ", r.Reason))
		}
	}
	return list
}
