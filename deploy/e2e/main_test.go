// Package e2e tests what oort promises its users on the real binary: as one
// process and as several, with a real Redis and a Kafka-protocol broker of its
// own, on every engine, while parts are killed.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/oortim/oort/deploy/e2e/rig"
)

// bin is set once, before the tests run.
var bin rig.Binaries

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oort-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bin, err = rig.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Most of these tests wait most of the time, for leases, renewals and retries;
	// -parallel still counts, since it is read later.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// testedEngines are those that deliveries and drains are tested on; the other
// tests take the first. They are the reactor and the goroutines, or what
// OORT_TEST_ENGINES lists (make engines). Every engine passes the conformance
// suite and comet's own tests in any case.
func testedEngines() []string {
	if list := os.Getenv("OORT_TEST_ENGINES"); list != "" {
		return strings.Split(list, ",")
	}
	return []string{"epoll", "std"}
}
