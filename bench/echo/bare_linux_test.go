package echo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// TestBare has bare calls take an engine's place and give it back, while links
// stay; and the other engines decline.
func TestBare(t *testing.T) {
	each(t, func(t *testing.T, s *rig) {
		engine, _, _ := strings.Cut(s.Engine(), "+")
		b := &bare{taps: &s.taps}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		links := []*peer{dial(t, s), upgraded(t, s), dial(t, s)}
		await(t, "links", func() bool { return s.Stats().Links == 3 })

		n, err := b.hold(ctx, s.Server)
		if err != nil || n != map[bool]int{true: 3}[engine == "epoll"] {
			t.Fatalf("holds %d sockets, %v", n, err)
		}
		if n == 0 {
			return
		}
		if _, err := b.hold(ctx, s.Server); err == nil {
			t.Error("held twice")
		}
		// Longer than a socket takes at once, and of no protocol.
		what := strings.Repeat("bytes of no protocol ", 100_000)
		for _, p := range links {
			go io.WriteString(p, what) //nolint:errcheck // seen below
			got := make([]byte, len(what))
			if _, err := io.ReadFull(p.in, got); err != nil || string(got) != what {
				t.Fatalf("bare echo: %v", err)
			}
		}
		end, err := b.release()
		if err != nil || end.Bytes != int64(3*len(what)) || end.Lost != 0 || end.CPU <= 0 || end.CPU > math.MaxInt64/2 {
			t.Errorf("%+v, %v", end, err)
		}
		if n := s.Stats(); n.Bytes != 0 || n.Refused != 0 {
			t.Errorf("the engine has got %v", n)
		}
		frame := tcpFrames(10)
		for _, p := range []*peer{links[0], links[2]} {
			p.Write(frame) //nolint:errcheck // seen below
			if _, err := io.ReadFull(p.in, make([]byte, len(frame))); err != nil {
				t.Errorf("then the engine: %v", err)
			}
		}
		c := good("then the engine", client{}.text(hello), text(hello))
		links[1].Write(c.send) //nolint:errcheck // seen below
		if got, err := links[1].all(); err != nil || len(got) != 2 {
			t.Errorf("then the engine: %v, %v", got, err)
		}
	})
}

// TestControl lets a conductor go away in the middle of a hold: the server ends
// in order.
func TestControl(t *testing.T) {
	in, ask := io.Pipe()
	answers, out := io.Pipe()
	c := Command{Listen: []string{"127.0.0.1:0"}, Engine: "epoll", MaxMessage: DefaultMaxMessage, Drain: patience, Control: true}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background(), in, out, slog.Default()) }()
	lines := json.NewDecoder(answers)
	var line struct {
		Hello, Error string
		Reply        json.RawMessage
	}
	if err := lines.Decode(&line); err != nil || line.Hello == "" {
		t.Fatalf("%+v, %v", line, err)
	}
	for id, want := range map[int]string{1: `"tcp://127.0.0.1:`, 2: `"Messages":0`, 3: `"Sockets":0`} {
		method := map[int]string{1: MethodAddresses, 2: MethodStats, 3: MethodHold}[id]
		fmt.Fprintf(ask, `{"id":%d,"method":%q}`+"\n", id, method)
		if err := lines.Decode(&line); err != nil || line.Error != "" || !strings.Contains(string(line.Reply), want) {
			t.Fatalf("%s: %+v, %v", method, line, err)
		}
	}
	ask.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
