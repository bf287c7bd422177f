package parts

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/oortim/oort/deploy/ops"
)

func TestEngineFlags(t *testing.T) {
	for _, c := range []struct {
		engine  string
		private bool
		spec    string
		naming  []string // of the error
	}{
		{engine: "auto", spec: ""},
		{engine: "auto+edge", spec: "+edge"},
		{engine: "auto", private: true, spec: "+private"},
		{engine: "epoll", private: true, spec: "epoll+private"},
		{engine: "epoll+edge", private: true, spec: "epoll+edge+private"},
		{engine: "epoll+private+edge", private: true, spec: "epoll+private+edge"},
		{engine: "std", spec: "std"},
		{engine: "std", private: true, naming: []string{"--private-fds", `"std"`, "std has none"}},
		{engine: "epol", naming: []string{"--engine", `"epol"`, "epoll", "std", "gnet", "netpoll"}},
		{engine: "autoepoll", naming: []string{"--engine", `"autoepoll"`}},
		{engine: "epoll+edgy", naming: []string{"--engine", `"edgy"`, "edge", "locked", "private"}},
		{engine: "epol", private: true, naming: []string{"--engine", `"epol"`}},
	} {
		f := CometFlags{Engine: c.engine, PrivateFDs: c.private}
		spec, err := f.engine()
		if spec != c.spec || (err != nil) != (c.naming != nil) {
			t.Errorf("%q, private %v: %q, error %v", c.engine, c.private, spec, err)
		}
		var usage *ops.UsageError
		if err != nil && !errors.As(err, &usage) {
			t.Errorf("%q: %v is no usage error", c.engine, err)
		}
		for _, word := range c.naming {
			if err != nil && !strings.Contains(err.Error(), word) {
				t.Errorf("%q: %q does not name %s", c.engine, err, word)
			}
		}
	}
}

func TestLinksByDescriptors(t *testing.T) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	low := lim
	low.Cur = 1000
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim) }()
	for _, c := range []struct {
		f    CometFlags
		spec string
		want int
	}{
		{CometFlags{Loops: 4}, "epoll", 1000 - reserve},
		{CometFlags{Loops: 4}, "+private", 4 * (1000 - reserve)},
		{CometFlags{Loops: 4, MaxLinks: 5}, "+private", 5},
	} {
		if n := c.f.links(c.spec); n != c.want {
			t.Errorf("%d loops on %q: %d links, want %d", c.f.Loops, c.spec, n, c.want)
		}
	}
}
