package push_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/oortim/oort/client/push"
)

func TestAsk(t *testing.T) {
	answers := map[string]string{
		"GET /v1/messages/01J":            `{"id":"01J","delivered":7,"dropped":{"slow":2},"slowest_ms":1.5,"comets":2,"silent":["c3@1"]}`,
		"DELETE /v1/messages/01J":         `{"canceled":"01J"}`,
		"GET /v1/messages/a%2Fb":          `{"id":"a/b","delivered":1}`,
		"GET /v1/rooms/live/1:2/ledger":   `{"room":"live://1:2","links":3,"since":"2026-01-02T03:04:05Z","dropped":{"shed":{"ambient":4}},"handed":{"chat":1}}`,
		"GET /v1/messages/unknown":        "",
		"GET /v1/messages/not-even-close": "<html>",
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.EscapedPath()]
		switch {
		case !ok || r.Header.Get("Authorization") != "Bearer s3cret":
			t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
		case body == "":
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"error":{"reason":"unknown_message","message":"no"}}`)
		default:
			io.WriteString(w, body)
		}
	})
	ctx := context.Background()
	if f, err := c.Fate(ctx, "01J"); err != nil || f.Delivered != 7 || f.Dropped["slow"] != 2 || f.SlowestMS != 1.5 || f.Comets != 2 || f.Silent[0] != "c3@1" {
		t.Errorf("fate %+v, %v", f, err)
	}
	if f, err := c.Fate(ctx, "a/b"); err != nil || f.ID != "a/b" {
		t.Errorf("fate %+v, %v", f, err)
	}
	if err := c.Cancel(ctx, "01J"); err != nil {
		t.Error(err)
	}
	if l, err := c.RoomLedger(ctx, "live://1:2"); err != nil || l.Links != 3 || l.Since.Year() != 2026 || l.Dropped["shed"]["ambient"] != 4 || l.Handed["chat"] != 1 {
		t.Errorf("ledger %+v, %v", l, err)
	}
	var e *push.Error
	if _, err := c.Fate(ctx, "unknown"); !errors.Is(err, push.ErrRefused) || !errors.As(err, &e) || e.Reason != "unknown_message" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Fate(ctx, "not-even-close"); err == nil {
		t.Error("nonsense was taken")
	}
}
