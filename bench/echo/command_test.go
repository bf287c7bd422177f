package echo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/oortim/oort/poller/engines"
)

// TestCommand runs it as a script would.
func TestCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, w := io.Pipe()
	c := Command{Listen: []string{"127.0.0.1:0"}, MaxMessage: DefaultMaxMessage, Drain: patience}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, nil, w, slog.Default()) }()
	out := bufio.NewScanner(r)
	out.Scan()
	var tcp, ws, engine string
	if _, err := fmt.Sscanf(out.Text(), "ready tcp=%s ws=%s engine=%s", &tcp, &ws, &engine); err != nil {
		t.Fatalf("%q: %v", out.Text(), err)
	}
	if tcp != ws || engine != engines.Names()[0] {
		t.Errorf("%q", out.Text())
	}
	cancel()
	out.Scan()
	if want := "echoed messages=0 bytes=0 pings=0 links=0 refused=0 open=0"; out.Text() != want {
		t.Errorf("%q, want %q", out.Text(), want)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCommandLists(t *testing.T) {
	var out strings.Builder
	c := Command{List: true}
	if err := c.Run(context.Background(), nil, &out, slog.Default()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); strings.Join(got, " ") != strings.Join(engines.Names(), " ") {
		t.Errorf("%q", got)
	}
}

func TestValidate(t *testing.T) {
	fine := Command{Listen: []string{"127.0.0.1:0"}, MaxMessage: 1}
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Command){
		"--listen":       func(c *Command) { c.Listen = nil },
		"--max-message":  func(c *Command) { c.MaxMessage = 0 },
		"not 2147483648": func(c *Command) { c.MaxMessage = 1 << 31 },
		"--loops":        func(c *Command) { c.Loops = -1 },
		"--drain":        func(c *Command) { c.Drain = -1 },
		"unknown engine": func(c *Command) { c.Engine = "epol" },
	} {
		c := fine
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(Config{Listen: []string{"127.0.0.1:nowhere"}}); err == nil || !strings.HasPrefix(err.Error(), "echo: ") {
		t.Errorf("%v", err)
	}
}
