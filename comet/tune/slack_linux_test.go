package tune

import (
	"errors"
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
		Slack()                                                                // the first time it does not come back
		if ns, err := slackOf(monitor(t)); !errors.Is(err, os.ErrPermission) { // which CAP_SYS_NICE gives
			t.Logf("monitor %d, %v", ns, err)
		}
		runtime.LockOSThread()
		now, err := slackNow()
		t.Logf("others %d, %v, guard %q", now, err, os.Getenv(slackSet))
		return
	}
	c := exec.Command("/proc/self/exe", "-test.run=^TestSlack$", "-test.v")
	c.Env = append(os.Environ(), inChild+"=1")
	out, err := c.CombinedOutput()
	seen := strings.Contains(string(out), "monitor ")
	if err != nil || seen && !strings.Contains(string(out), "monitor 1000000, <nil>") || !strings.Contains(string(out), "others 50000, <nil>, guard \"\"") {
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

func slackOf(tid string) (ns int, err error) {
	b, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
