package rig

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestParseReady(t *testing.T) {
	got, err := parseReady("ready tcp=127.0.0.1:1 ws=127.0.0.1:2")
	if want := map[string]string{"tcp": "127.0.0.1:1", "ws": "127.0.0.1:2"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, wrong := range []string{"ready tcp", "ready tcp="} {
		if got, err := parseReady(wrong); err == nil {
			t.Errorf("%q: %v, want an error", wrong, got)
		}
	}
}

func TestProcess(t *testing.T) {
	p := Start(t, "shell", "/bin/sh", "-c", `trap 'exit 7' TERM; echo "ready pid=$$"; echo late >&2; while :; do sleep 0.01; done`)
	addrs, err := parseReady(p.WaitLine(t, "ready "))
	if err != nil || addrs["pid"] != fmt.Sprint(p.cmd.Process.Pid) {
		t.Errorf("ready line %v, %v", addrs, err)
	}
	p.WaitLine(t, "late")
	if code := p.Stop(t); code != 7 {
		t.Errorf("exit code %d after SIGTERM, want 7", code)
	}
	p.Kill() // of what is gone: no error
	if _, err := p.waitLine(t.Context(), "never"); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("waiting for a line of a dead process: %v", err)
	}
}

func TestKill(t *testing.T) {
	p := Start(t, "sleep", "/bin/sleep", "1000")
	p.Kill()
	if code := p.Wait(t); code != -1 {
		t.Errorf("exit code %d, want -1", code)
	}
	if err := syscall.Kill(p.cmd.Process.Pid, 0); err != syscall.ESRCH {
		t.Errorf("the process is still there: %v", err)
	}
}

func TestCleanEnv(t *testing.T) {
	t.Setenv("OORT_TCP", "x")
	for _, kv := range cleanEnv() {
		if strings.HasPrefix(kv, "OORT_") {
			t.Errorf("%s would configure what is under test", kv)
		}
	}
	if _, ok := os.LookupEnv("OORT_TCP"); !ok {
		t.Error("the test's own environment changed")
	}
}

func TestRedis(t *testing.T) {
	r := StartRedis(t)
	r.Kill()
	if err := ping(r.Addr); err == nil {
		t.Error("it answers after Kill")
	}
	r.Restart(t)
	if err := ping(r.Addr); err != nil {
		t.Error(err)
	}
}
