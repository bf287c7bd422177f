package pollertest

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// childVar names the role of a second process of the test binary.
const childVar = "OORT_POLLERTEST_CHILD"

// role is what this process was started as; "" is the first process.
func role() string { return os.Getenv(childVar) }

// inChild says whether this is the process of that role. In the first process
// it runs the same test in a process of that role, and fails t if it fails.
func inChild(t *testing.T, as string) bool {
	t.Helper()
	if role() == as {
		return true
	}
	cmd := child(t, as)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("the process %q failed: %v\n%s", as, err, out)
	}
	return false
}

// child is a process of the test binary that runs only the test t.
func child(t *testing.T, as string) *exec.Cmd {
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.timeout=2m", "-test.run", strings.Join(parts, "/"))
	cmd.Env = append(os.Environ(), childVar+"="+as)
	return cmd
}
