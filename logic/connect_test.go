package logic_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

func TestConnectAnswers(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Heartbeat = time.Minute; c.Limits.Accepts = 3 })
	w.renew(w.svc, c1)
	r := w.tryConnect(c1, `{"mid":5,"key":"a","room_id":"live://1","accepts":[1000]}`)
	if r.Status != logic.StatusOK || r.Mid != 5 || r.Key != "a" || r.Room != "live://1" || r.AcceptsAll || !slices.Equal(r.Accepts, []int32{1000}) || r.Epoch == 0 || r.Heartbeat != time.Minute {
		t.Errorf("%+v", r)
	}
	one, two := w.tryConnect(c1, `{}`), w.tryConnect(c1, `{}`)
	for _, r := range []logic.ConnectResult{one, two} {
		if _, err := ident.ParseKey(string(r.Key)); err != nil || len(r.Key) < 26 || !r.AcceptsAll {
			t.Errorf("a link without a key: %+v (%v)", r, err)
		}
	}
	if one.Key == two.Key {
		t.Errorf("two links got the key %q", one.Key)
	}
	for body, want := range map[string]logic.Status{
		`{`:                      logic.StatusInvalid,
		`{"accepts":[1,2,3,4]}`:  logic.StatusInvalid,
		`{"accepts":[1,2,3]}`:    logic.StatusOK,
		`{"key":"a b"}`:          logic.StatusInvalid,
		`{"room_id":"live:// "}`: logic.StatusInvalid,
	} {
		r := w.tryConnect(c1, body)
		if r.Status != want || r.Status != logic.StatusOK && (r.Message == "" || r.Key != "" || r.Epoch != 0) {
			t.Errorf("%s: %+v, want %v", body, r, want)
		}
	}
}

// TestConnectBatch: each link gets its own answer, in order.
func TestConnectBatch(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	var reqs []logic.ConnectRequest
	for i := range 100 {
		body := fmt.Sprintf(`{"key":"k%d"}`, i)
		if i%3 == 0 {
			body = "bad"
		}
		reqs = append(reqs, logic.ConnectRequest{Link: uint64(1000 + i), Credentials: logic.Credentials{Body: []byte(body)}})
	}
	for i, r := range w.svc.Connect(context.Background(), c1, reqs) {
		want := ident.Key(fmt.Sprint("k", i))
		if i%3 == 0 {
			want = ""
		}
		if r.Link != uint64(1000+i) || r.Key != want || (r.Status == logic.StatusOK) != (want != "") {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if got := w.svc.Connect(context.Background(), c1, nil); len(got) != 0 {
		t.Errorf("an empty batch: %v", got)
	}
}

// TestLoser: the loser of a key is kicked, once, where it is, up to its epoch;
// on the same comet it is the comet's business, and a dead comet has none.
func TestLoser(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1, c2, c3)
	first := w.connect(c1, "a", 1)
	w.pub.Take()
	second := w.connect(c2, "a", 1)
	want := []string{fmt.Sprint("c1@1 a ", first.Epoch, " replaced")}
	if got := kicks(w.pub.Take()); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
	third := w.connect(c2, "a", 1)
	if got := w.pub.Take(); len(got) != 0 {
		t.Errorf("the loser is on the same comet, but %v was stored", got)
	}
	w.svc.Disconnect(context.Background(), c1, []logic.Session{first})
	w.svc.Disconnect(context.Background(), c2, []logic.Session{second})
	if got, err := w.svc.Sessions(context.Background(), "a", 0); err != nil || !slices.Equal(got, []logic.Session{third}) {
		t.Errorf("after the losers' goodbyes: %+v (%v), want %+v", got, err, third)
	}
	if err := w.svc.Leave(context.Background(), c2); err != nil {
		t.Fatal(err)
	}
	w.connect(c3, "a", 1)
	if got := w.pub.Take(); len(got) != 0 {
		t.Errorf("the loser's comet is gone, but %v was stored", got)
	}
}

// TestLoserLater: a login does not wait for a publisher that fails, and the
// loser is kicked when it works again.
func TestLoserLater(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Refresh = time.Millisecond })
	w.renew(w.svc, c1, c2)
	first := w.connect(c1, "a", 1)
	w.pub.Answer(func(*pushpb.Push) error { return errBroken })
	w.connect(c2, "a", 1)
	w.pub.Answer(nil)
	var got []string
	until(t, "the kick is stored", func() bool { got = append(got, kicks(w.pub.Take())...); return len(got) > 0 })
	if want := []string{fmt.Sprint("c1@1 a ", first.Epoch, " replaced")}; !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// TestStoreAway: without the store links are told to try again, and goodbyes
// are kept until it is back.
func TestStoreAway(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Refresh = time.Millisecond; c.Limits.Retries = 3 })
	w.renew(w.svc, c1)
	a, b, c := w.connect(c1, "a", 1), w.connect(c1, "b", 1), w.connect(c1, "c", 1)
	w.store.fail(true, false)
	if r := w.tryConnect(c1, `{"key":"d"}`); r.Status != logic.StatusUnavailable || strings.Contains(r.Message, errBroken.Error()) {
		t.Errorf("connect: %+v", r)
	}
	if r := w.push(w.svc, "a"); !isUnavailable(r.Err) {
		t.Errorf("push: %+v", r)
	}
	if err := w.svc.Ready(context.Background()); err == nil {
		t.Error("ready without sessions")
	}
	// With the login that may be stored, the third does not fit.
	w.svc.Disconnect(context.Background(), c1, []logic.Session{a, b, c})
	w.store.fail(false, false)
	until(t, "the goodbyes arrive", func() bool {
		r := w.push(w.svc, "a", "b")
		return len(r.AbsentKeys) == 2
	})
	if r := w.push(w.svc, "c"); r.Accepted != 1 {
		t.Errorf("c, whose goodbye did not fit: %+v", r)
	}
	until(t, "ready again", func() bool { return w.svc.Ready(context.Background()) == nil })
}

// TestStoredUnheard: a login that the store carries out and does not answer is
// taken back, for its link is refused; and it stays away if it is carried out
// later.
func TestStoredUnheard(t *testing.T) {
	w := newWorld(t, func(c *logic.Config) { c.Refresh = time.Millisecond })
	w.renew(w.svc, c1, c2)
	w.store.unheard(true)
	r := w.tryConnect(c1, `{"key":"a","mid":1}`)
	if r.Status != logic.StatusUnavailable {
		t.Errorf("%+v", r)
	}
	w.store.unheard(false)
	until(t, "the login is taken back", func() bool { return len(w.push(w.svc, "a").AbsentKeys) == 1 })
	late := w.store.Memory.Connect(context.Background(), []logic.Login{{Key: "a", Mid: 1, Server: c1, Link: r.Link}})
	if !late[0].Refused {
		t.Errorf("carried out once more, late: %+v", late[0])
	}
	w.connect(c2, "a", 1)
	if r := w.push(w.svc, "a"); r.Accepted != 1 {
		t.Errorf("the next login: %+v", r)
	}
}

// TestGoodbyeWithoutKey: a link that never had a session has nothing to lose.
func TestGoodbyeWithoutKey(t *testing.T) {
	w := newWorld(t)
	w.renew(w.svc, c1)
	a := w.connect(c1, "a", 1)
	w.svc.Disconnect(context.Background(), c1, []logic.Session{{Link: a.Link}})
	if r := w.push(w.svc, "a"); r.Accepted != 1 {
		t.Errorf("%+v", r)
	}
}
