package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the child: a test starts its own binary with child's name.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if child, ok := children[os.Args[1]]; ok {
			if err := child(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(3)
			}
			os.Exit(0)
		}
	}
	// Under the race detector a process lingers for a second at its end.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

var children = map[string]func() error{
	"good": func() error { return Serve(context.Background(), os.Stdin, os.Stdout, methods) },
	"stubborn": func() error {
		_ = Serve(context.Background(), os.Stdin, os.Stdout, methods)
		return forever()
	},
	"broken":  func() error { return errors.New("no such flag") },
	"chatty":  func() error { fmt.Println("good morning"); return forever() },
	"foreign": func() error { fmt.Println(`{"hello":"oort bench control 99"}`); return forever() },
	"failing": func() error {
		_ = Serve(context.Background(), os.Stdin, os.Stdout, methods)
		return errors.New("could not tidy up")
	},
}

// forever waits without the runtime taking it for a deadlock.
func forever() error {
	for {
		time.Sleep(time.Hour)
	}
}

type sum struct{ A, B int }

var methods = Methods{
	"add":  Func(func(_ context.Context, s sum) (int, error) { return s.A + s.B, nil }),
	"fail": Func(func(context.Context, None) (None, error) { return None{}, errors.New("17 links are missing") }),
	"wait": Func(func(ctx context.Context, _ None) (None, error) { <-ctx.Done(); return None{}, ctx.Err() }),
	"exit": Func(func(context.Context, None) (None, error) {
		fmt.Fprintln(os.Stderr, "panic: oh")
		os.Exit(2)
		return None{}, nil
	}),
	"big": Func(func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }),
	"odd": Func(func(context.Context, None) (chan int, error) { return nil, nil }),
}

func start(t *testing.T, name string) *Child {
	t.Helper()
	c, err := Start(t.Context(), name, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestCall(t *testing.T) {
	c := start(t, "good")
	var n int
	if err := c.Call(t.Context(), "add", sum{2, 3}, &n); err != nil || n != 5 {
		t.Errorf("2 + 3 = %d, %v", n, err)
	}
	if err := c.Call(t.Context(), "add", sum{2, 3}, nil); err != nil {
		t.Errorf("reply not wanted: %v", err)
	}
	var s string
	if err := c.Call(t.Context(), "big", 1<<20, &s); err != nil || len(s) != 1<<20 {
		t.Errorf("%d bytes, %v", len(s), err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := c.Call(t.Context(), "add", sum{}, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("call after close: %v", err)
	}
}

func TestCallsRunSideBySide(t *testing.T) {
	c := start(t, "good")
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() { waiting <- c.Call(ctx, "wait", None{}, nil) }()
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			var n int
			if err := c.Call(t.Context(), "add", sum{i, i}, &n); err != nil || n != 2*i {
				t.Errorf("%d + %d = %d, %v", i, i, n, err)
			}
		})
	}
	calls.Wait()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
	if err := c.Close(t.Context()); err != nil { // only if the method was told to end
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	c := start(t, "good")
	for _, tt := range []struct {
		method string
		args   any
		want   string
	}{
		{"fail", None{}, "good: fail: 17 links are missing"},
		{"fly", None{}, `good: fly: no method "fly"`},
		{"add", map[string]int{"C": 1}, `good: add: arguments: json: unknown field "C"`},
		{"add", "two", "good: add: arguments: json: cannot unmarshal string"},
		{"odd", None{}, "good: odd: reply: json: unsupported type: chan int"},
	} {
		err := c.Call(t.Context(), tt.method, tt.args, nil)
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.method, err, tt.want)
		}
	}
	if err := c.Call(t.Context(), "add", make(chan int), nil); err == nil {
		t.Error("a channel as arguments")
	}
	var s string
	if err := c.Call(t.Context(), "add", sum{}, &s); err == nil || !strings.Contains(err.Error(), "good: add: reply:") {
		t.Errorf("a number as a string: %v", err)
	}
}

func TestChildThatDoesNotStart(t *testing.T) {
	for name, want := range map[string]string{
		"broken":  "broken: has ended: exit status 3\nits log ends:\nno such flag",
		"chatty":  "chatty: has ended: what it says is no JSON",
		"foreign": `foreign: has ended: it says "oort bench control 99"`,
	} {
		if _, err := Start(t.Context(), name, name); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, "good", "good"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestChildThatDies(t *testing.T) {
	c := start(t, "good")
	err := c.Call(t.Context(), "exit", None{}, nil)
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(err.Error(), "panic: oh") {
		t.Errorf("exits: %v", err)
	}
	c = start(t, "good")
	waiting := make(chan error, 1)
	go func() { waiting <- c.Call(t.Context(), "wait", None{}, nil) }()
	if err := syscall.Kill(c.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, ErrEnded) {
		t.Errorf("killed: %v", err)
	}
	if err := c.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("close: %v", err)
	}
}

func TestChildThatDoesNotEnd(t *testing.T) {
	c := start(t, "stubborn")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c = start(t, "failing")
	if err := c.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "could not tidy up") {
		t.Errorf("got %v", err)
	}
}

func TestTail(t *testing.T) {
	var l Tail
	for range 3 {
		l.Write([]byte(strings.Repeat("a", tailBytes/2)))
	}
	l.Write([]byte("end"))
	if s := l.String(); len(s) != tailBytes || !strings.HasSuffix(s, "aend") {
		t.Errorf("%d bytes, ends %q", len(s), s[len(s)-4:])
	}
}
