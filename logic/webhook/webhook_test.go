package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/oortim/oort/logic"
	"github.com/oortim/oort/logic/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReceiver(t *testing.T) {
	var status int
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = string(b)
		w.WriteHeader(status)
		if status != 204 {
			_, _ = w.Write([]byte("pong"))
		}
	}))
	defer server.Close()
	client, err := webhook.New(webhook.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := webhook.NewReceiver(client)
	for _, c := range []struct {
		status int
		want   string
		ok     bool
	}{{200, "pong", true}, {204, "", true}, {403, "", false}, {302, "", false}, {500, "", false}} {
		status = c.status
		got, err := r.Receive(context.Background(), logic.Message{Server: "c1@1", Mid: 7, Key: "k", Room: "live://1", Seq: 3, Body: []byte("ping")})
		if string(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%d: %q, %v", c.status, got, err)
		}
		if want := `{"server":"c1@1","mid":7,"key":"k","room":"live://1","seq":3,"body_base64":"cGluZw=="}`; asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, url := range []string{"", "x", "ftp://h/", "http://", "http:///x", "://"} {
		if _, err := webhook.New(webhook.Config{URL: url}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line", url, err)
		}
	}
}

// TestErrorsNameNoURL: a URL may hold a password or token.
func TestErrorsNameNoURL(t *testing.T) {
	client, err := webhook.New(webhook.Config{URL: "http://user:hunter22@127.0.0.1:1/path?token=hunter22"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _, err = client.Post(context.Background(), nil)
	if err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err = client.Post(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
