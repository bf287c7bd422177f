package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/oortim/oort/client"
)

func TestNodes(t *testing.T) {
	const two = `{"code":0,"message":"","data":{"domain":"","tcp_port":3101,"ws_port":3102,"wss_port":0,"heartbeat":30,
		"nodes":["10.0.0.1","10.0.0.2:4000","::1"],"backoff":{"max_delay":300},"heartbeat_max":3}}`
	tests := []struct {
		name, scheme, body string
		status             int
		want               []string
		err                error
	}{
		{"tcp", "tcp", two, 200, []string{"tcp://10.0.0.1:3101", "tcp://10.0.0.2:4000", "tcp://[::1]:3101"}, nil},
		{"ws", "ws", two, 200, []string{"ws://10.0.0.1:3102/sub", "ws://10.0.0.2:4000/sub", "ws://[::1]:3102/sub"}, nil},
		{"none", "tcp", `{"code":0,"data":{"nodes":[]}}`, 200, nil, client.ErrNoNodes},
		{"refused", "tcp", `{"code":-500,"message":"no"}`, 200, nil, errAny},
		{"status", "tcp", `oops`, 503, nil, errAny},
		{"no JSON", "tcp", `<html>`, 200, nil, errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/goim/nodes/weighted" || (r.FormValue("platform") == "web") != (tt.scheme == "ws") {
					t.Errorf("asked %v", r.URL)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			got, err := client.Nodes(within(t), srv.Client(), srv.URL+"/", tt.scheme)
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == nil) {
				t.Errorf("got %q, %v", got, err)
			}
			if tt.err != nil && tt.err != errAny && !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

var errAny = errors.New("any")
