package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper is a part that serves once it has made a file, and removes it when it
// is told to end.
func sleeper(t *testing.T, f *Fleet, name string) *Part {
	file := filepath.Join(f.o.Dir, name+".up")
	p := &Part{Name: name, argv: []string{"/bin/sh", "-c", `trap 'rm -f "$0"; exit 0' TERM; : >"$0"; while :; do sleep 0.01; done`, file},
		Ready: func(context.Context) error { _, err := os.Stat(file); return err }}
	f.add(p)
	t.Cleanup(p.Kill)
	return p
}

func empty(t *testing.T) *Fleet {
	f, err := New(Options{Dir: t.TempDir(), Oort: "oort", Kfake: "kfake"})
	if err != nil {
		t.Fatal(err)
	}
	f.Parts = nil
	return f
}

func TestLayout(t *testing.T) {
	via := Via{"127.0.9.2:6379": "127.0.9.99:1", "127.0.9.33:3109": "127.0.9.98:2"}
	f, err := New(Options{Dir: t.TempDir(), Base: "127.0.9", Oort: "oort", Kfake: "kfake", Via: via})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range f.Parts {
		names = append(names, p.Name)
	}
	const want = "redis kafka logic-1 logic-2 comet-1 comet-2 comet-3 job-1 job-2"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("parts %s, want %s", got, want)
	}
	for name, flag := range map[string]string{
		"redis":   "--bind 127.0.9.2",
		"logic-1": "--redis 127.0.9.99:1",
		"comet-3": "--grpc 127.0.9.33:3109 --advertise-grpc 127.0.9.98:2",
		"comet-1": "--logic 127.0.9.11:3119,127.0.9.12:3119",
		"job-2":   "--static job-2",
	} {
		if line := strings.Join(f.Part(name).argv, " "); !strings.Contains(line, flag) {
			t.Errorf("%s: no %q in %q", name, flag, line)
		}
	}
	if f.Part("job-3") != nil {
		t.Error("a part that is not there")
	}
}

func TestStartKillRevive(t *testing.T) {
	f := empty(t)
	a, b := sleeper(t, f, "a"), sleeper(t, f, "b")
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := a.Pid()
	a.Kill()
	a.Kill()
	if a.Running() || !b.Running() {
		t.Fatalf("running: %v, %v", a.Running(), b.Running())
	}
	if err := a.Signal(syscall.SIGSTOP); err != nil {
		t.Errorf("a signal to what is gone: %v", err)
	}
	_ = os.Remove(filepath.Join(f.o.Dir, "a.up"))
	if err := a.WaitReady(t.Context()); err == nil {
		t.Error("ready while it is dead")
	}
	if err := a.Revive(t.Context()); err != nil || a.Pid() == first || a.Age() > time.Minute {
		t.Errorf("%v, pid %d, age %v", err, a.Pid(), a.Age())
	}
	if err := b.Signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	f.Stop() // also of one that is paused
	if a.Running() || b.Running() {
		t.Error("running after Stop")
	}
}

func TestStartFails(t *testing.T) {
	f := empty(t)
	a := sleeper(t, f, "a")
	f.add(&Part{Name: "b", argv: []string{"/bin/sh", "-c", "exit 3"}, Ready: func(context.Context) error { return errors.New("no") }})
	if err := f.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "b ended before it was ready") {
		t.Errorf("%v", err)
	}
	if a.Running() {
		t.Error("the others stay")
	}
}

// StopSaved ends what was saved and nothing that has its pid by chance.
func TestSaved(t *testing.T) {
	f := empty(t)
	a, other := sleeper(t, f, "a"), sleeper(t, f, "other")
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	if err := CheckFree(f.o.Dir); !errors.Is(err, ErrRunning) {
		t.Errorf("%v, want ErrRunning", err)
	}
	all, err := saved(f.o.Dir)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	all[1].Born += "0" // as if another had its pid now
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stateFile(f.o.Dir), text, 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := StopSaved(f.o.Dir)
	if err != nil || len(said) != 2 {
		t.Errorf("%q, %v", said, err)
	}
	for end := time.Now().Add(time.Minute); a.Running() && time.Now().Before(end); time.Sleep(time.Millisecond) {
	} // it has been ended; that its parent has heard of it comes later
	if a.Running() || !other.Running() {
		t.Errorf("running: %v, want false; the other: %v, want true; said %q", a.Running(), other.Running(), said)
	}
	if err := CheckFree(f.o.Dir); err != nil {
		t.Error(err)
	}
	if said, err := StopSaved(f.o.Dir); len(said) != 0 || err != nil {
		t.Errorf("a second stop: %q, %v", said, err)
	}
}
