package rig

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// clockTick is the unit of times in /proc, 1/100 s on every Linux that Go runs
// on (proc(5), sysconf(_SC_CLK_TCK)).
const clockTick = 10 * time.Millisecond

// CPU is the processor time that the process has used, of user and system. It
// is zero for one that has ended.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	select {
	case <-p.exited:
		return 0
	default:
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatalf("rig: %s: %v", p.Name, err)
	}
	// The second field is the name in parentheses and may hold anything.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatalf("rig: %s: %v in %q", p.Name, err, text)
	}
	return time.Duration(user+system) * clockTick
}
