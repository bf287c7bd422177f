package httpapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/httpapi"
	"github.com/oortim/oort/proto/ident"
	"github.com/oortim/oort/proto/pushpb"
)

// asker knows the message "m" and the room live://1000, unless it is deaf.
type asker struct{ deaf bool }

func (a *asker) Message(_ context.Context, _ logic.Comet, id string) (f logic.Fate, known bool, err error) {
	if a.deaf {
		return f, false, errors.New("deaf")
	}
	if id != "m" {
		return f, false, nil
	}
	return logic.Fate{Links: map[string]uint64{"delivered": 7, "slow": 2}, Slowest: 1500 * time.Microsecond}, true, nil
}

func (a *asker) Room(_ context.Context, _ logic.Comet, room ident.Room) (l logic.RoomLedger, known bool, err error) {
	if a.deaf {
		return l, false, errors.New("deaf")
	}
	if room != "live://1000" {
		return l, false, nil
	}
	return logic.RoomLedger{
		Since: time.Unix(0, 0), Links: 3, Pushed: map[string]uint64{"gift": 4}, Handed: map[string]uint64{"gift": 1},
		Ends: logic.Ends{"delivered": {"gift": 10}, "shed": {"gift": 1}},
	}, true, nil
}

func TestAsk(t *testing.T) {
	w := newWorld(t, httpapi.Options{})
	get := func(method, path string) (int, string) {
		status, answer, _ := w.do(method, path, "")
		return status, answer
	}
	status, answer := get("GET", "/v1/messages/m")
	w.want("message", status, answer, 200, `"id":"m","delivered":7,"dropped":{"slow":2},"slowest_ms":1.5,"comets":1}`)
	status, answer = get("GET", "/v1/messages/other")
	w.want("unknown message", status, answer, 404, `"reason":"unknown_message"`)
	status, answer = get("GET", "/v1/messages/a%20b")
	w.want("no id", status, answer, 400, `"reason":"id"`)
	status, answer = get("PUT", "/v1/messages/m")
	w.want("method", status, answer, 405, `use GET or DELETE`)
	for _, path := range []string{"/v1/rooms/live/1000/ledger", "/v1/rooms/live%3A%2F%2F1000/ledger"} {
		status, answer = get("GET", path)
		w.want(path, status, answer, 200, `"room":"live://1000","links":3,"since":"1970-01-01T00:00:00Z","pushed":{"gift":4},"delivered":{"gift":10},"dropped":{"shed":{"gift":1}},"handed":{"gift":1},"comets":1}`)
	}
	status, answer = get("GET", "/v1/rooms/live/1/ledger")
	w.want("empty room", status, answer, 200, `"links":0,"pushed":{},"delivered":{},"dropped":{}`)
	status, answer = get("GET", "/v1/rooms/live/ledger/ledger") // a room may be called so
	w.want("room called ledger", status, answer, 200, `"room":"live://ledger","links":0`)
	w.pub.Take()
	status, answer = get("DELETE", "/v1/messages/m")
	w.want("cancel", status, answer, 200, `{"canceled":"m"}`)
	if got := w.pub.Take(); len(got) != 1 || got[0].Kind != pushpb.Kind_KIND_CANCEL || got[0].Cancel != "m" {
		t.Errorf("stored %v", got)
	}
	w.asker.deaf = true
	for _, path := range []string{"/v1/messages/m", "/v1/rooms/live/1000/ledger"} {
		status, answer = get("GET", path)
		w.want("silent comets", status, answer, 503, `"reason":"unavailable"`)
	}
}
