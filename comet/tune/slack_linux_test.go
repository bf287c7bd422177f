package tune

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

const inChild = "TUNE_SLACK_CHILD"

// A process that has started itself again has a slow monitor, the second thread
// of every Go process, and goroutines run on threads that are not.
func TestSlack(t *testing.T) {
	if os.Getenv(inChild) != "" {
		Slack() // the first time it does not come back
		t.Logf("monitor %d", slackOf(t, monitor(t)))
		runtime.LockOSThread()
		now, err := slackNow()
		t.Logf("others %d, %v, guard %q", now, err, os.Getenv(slackSet))
		return
	}
	c := exec.Command("/proc/self/exe", "-test.run=^TestSlack$", "-test.v")
	c.Env = append(os.Environ(), inChild+"=1")
	out, err := c.CombinedOutput()
	if strings.Contains(string(out), "permission denied") {
		t.Skip("needs CAP_SYS_NICE to see other threads")
	}
	if err != nil || !strings.Contains(string(out), "monitor 1000000\n") || !strings.Contains(string(out), "others 50000, <nil>, guard \"\"") {
		t.Errorf("%v: %s", err, out)
	}
}

// monitor is the second of the process's threads, which the kernel lists in the
// order in which they began.
func monitor(t *testing.T) (tid string) {
	d, err := os.Open("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tids, err := d.Readdirnames(2)
	if err != nil || len(tids) < 2 {
		t.Fatal(tids, err)
	}
	return tids[1]
}

func slackOf(t *testing.T, tid string) int {
	b, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return ns
}
