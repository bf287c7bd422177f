package logic_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
)

// device logs a device of a user in.
func (w *world) device(server ident.Server, mid int64, key, platform string) logic.Session {
	w.t.Helper()
	r := w.tryConnect(server, fmt.Sprintf(`{"key":%q,"mid":%d,"platform":%q}`, key, mid, platform))
	if r.Status != logic.StatusOK {
		w.t.Fatalf("connect %s: %+v", key, r)
	}
	return logic.Session{Key: r.Key, Mid: mid, Server: server, Link: r.Link, Epoch: r.Epoch, Platform: platform}
}

// TestDevices: who has to go is told so where it is, also on the same comet;
// other users, and links of nobody, stay.
func TestDevices(t *testing.T) {
	for policy, want := range map[string][]string{
		"all":      nil,
		"platform": {"phone1"},
		"newest":   {"phone1", "web1", "phone2"},
	} {
		t.Run(policy, func(t *testing.T) {
			devices, err := logic.ParseDevices(policy)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, func(c *logic.Config) { c.Devices = devices })
			w.renew(w.svc, c1, c2)
			for i := range 3 {
				w.device(c1, 0, fmt.Sprint("nobody", i), "ios")
			}
			w.device(c2, 8, "other", "ios")
			var went []string
			for _, d := range []struct{ key, platform string }{
				{"phone1", "ios"}, {"web1", "web"}, {"phone2", "ios"}, {"tv", "tv"},
			} {
				w.device(c1, 7, d.key, d.platform)
				for _, record := range w.pub.Take() {
					if record.Server != string(c1) || record.Reason != logic.ReasonReplaced {
						t.Errorf("stored %+v", record)
					}
					for _, key := range record.Keys {
						if !slices.Contains(went, key) { // who does not go at once is told again
							went = append(went, key)
						}
					}
				}
			}
			if !slices.Equal(went, want) {
				t.Errorf("told to go: %v, want %v", went, want)
			}
		})
	}
	if _, err := logic.ParseDevices("some"); err == nil {
		t.Error("took an unknown policy")
	}
}

// TestDevicesAtOnce: of devices that log in at the same moment, on several
// comets, exactly one is left: all others were refused or told to go.
func TestDevicesAtOnce(t *testing.T) {
	for round := range 20 {
		w := newWorld(t, func(c *logic.Config) { c.Devices = logic.NewestDevice })
		w.renew(w.svc, c1, c2, c3)
		servers := []ident.Server{c1, c2, c3}
		var mu sync.Mutex
		left := map[ident.Key]bool{}
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				body := fmt.Sprintf(`{"key":"d%d","mid":7}`, i)
				r := w.svc.Connect(context.Background(), servers[i%3], []logic.ConnectRequest{
					{Link: uint64(i), Credentials: logic.Credentials{Body: []byte(body)}},
				})[0]
				mu.Lock()
				defer mu.Unlock()
				switch r.Status {
				case logic.StatusOK:
					left[r.Key] = true
				case logic.StatusDenied:
				default:
					t.Errorf("%+v", r)
				}
			})
		}
		wg.Wait()
		for _, record := range w.pub.Take() {
			for _, key := range record.Keys {
				delete(left, ident.Key(key))
			}
		}
		if len(left) != 1 {
			t.Fatalf("round %d: left are %v", round, left)
		}
	}
}

// TestDevicesOfABatch: devices of one user in one batch are judged as any.
func TestDevicesOfABatch(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Devices = logic.OneAPlatform })
	w.renew(w.svc, c1)
	var reqs []logic.ConnectRequest
	for i, platform := range []string{"ios", "ios", "web"} {
		body := fmt.Sprintf(`{"key":"d%d","mid":7,"platform":%q}`, i, platform)
		reqs = append(reqs, logic.ConnectRequest{Link: uint64(i + 1), Credentials: logic.Credentials{Body: []byte(body)}})
	}
	results := w.svc.Connect(context.Background(), c1, reqs)
	for i, want := range []logic.Status{logic.StatusDenied, logic.StatusOK, logic.StatusOK} {
		if results[i].Status != want {
			t.Errorf("device %d: %+v, want %v", i, results[i], want)
		}
	}
	if got, err := w.svc.Sessions(context.Background(), "", 7); err != nil || len(got) != 2 {
		t.Errorf("left are %+v (%v)", got, err)
	}
	if got := w.pub.Take(); len(got) != 0 {
		t.Errorf("stored %v, though nobody else was online", got)
	}
}

// TestDevicesUnknown: where nobody can tell who has to go, the login is tried
// again.
func TestDevicesUnknown(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Devices = logic.NewestDevice })
	w.renew(w.svc, c1)
	w.store.blind = true
	if r := w.tryConnect(c1, `{"key":"a","mid":7}`); r.Status != logic.StatusUnavailable || r.Epoch != 0 {
		t.Errorf("%+v", r)
	}
	if r := w.tryConnect(c1, `{"key":"b"}`); r.Status != logic.StatusOK {
		t.Errorf("a link of nobody: %+v", r)
	}
	w.store.blind = false
	if r := w.push(w.svc, "a"); len(r.AbsentKeys) != 1 {
		t.Errorf("%+v", r)
	}
}
