package e2e

import (
	"context"
	"errors"
	"testing"

	"github.com/oortim/oort/client"
	"github.com/oortim/oort/client/push"
	"github.com/oortim/oort/deploy/e2e/rig"
)

// One process is killed and started again on its data: sessions that come back
// by themselves go on receiving.
func TestServeRestart(t *testing.T) {
	t.Parallel()
	g := rig.StartServe(t, bin, testedEngines()[0])
	ctx, cancel := context.WithCancel(t.Context())
	connected, received := make(chan struct{}, 16), make(chan string, 16)
	ended := make(chan error, 2)
	for _, addr := range []string{g.TCP[0], g.WS[0]} {
		s := &client.Session{
			Options:   client.Options{Addr: addr, Room: roomName(0)},
			OnConnect: func(*client.Client) { connected <- struct{}{} },
		}
		go func() {
			ended <- s.Run(ctx, func(m client.Message) error { received <- string(m.Body); return nil })
		}()
	}
	api := &push.Client{API: g.API}
	for _, message := range []string{"before", "after"} {
		for range 2 {
			wait(t, connected)
		}
		if err := store(api, push.Push{Room: roomName(0), Op: op, Body: []byte(message)}); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 2; {
			switch got := wait(t, received); {
			case got == message:
				n++
			case message != "after" || got != "before":
				t.Errorf("received %q, want %q", got, message)
			} // what was not committed when it was killed comes again, to links that are new
		}
		if message == "before" {
			g.Serve.Kill()
			g.Serve.Restart(t)
		}
	}
	cancel()
	for range 2 {
		if err := wait(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("session ended with %v", err)
		}
	}
}

// wait takes from c, which a test bounds.
func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatalf("nothing came in %v", rig.Patience)
	}
	return v
}
