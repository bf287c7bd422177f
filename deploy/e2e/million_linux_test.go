package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestMillion is oort bench million with all its processes and few links: it
// fails by itself if a link, a heartbeat or a message is lost.
func TestMillion(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), bin.Oort, "bench", "million", "--links", "400", "--loops", "6", "--rooms", "2",
		"--hold", "1s", "--heartbeat", "40s", "--pushes", "1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, row := range []string{"logins", "CPU a login, redis", "CPU a login, logic-1", "one message to all, floor", "longest stop", "heartbeats"} {
		if !strings.Contains(string(out), row) {
			t.Errorf("no %q in\n%s", row, out)
		}
	}
}
