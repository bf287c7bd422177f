package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const module = "github.com/oortim/oort"

// Binaries are the paths of what was built.
type Binaries struct {
	Oort  string
	Kfake string // the Kafka-protocol broker as a process of its own
}

// Build builds the binaries with the race detector into dir: a race in a
// process under test ends it with exit code 66, and so fails the test.
func Build(dir string) (Binaries, error) {
	b := Binaries{Oort: filepath.Join(dir, "oort"), Kfake: filepath.Join(dir, "kfake")}
	for path, pkg := range map[string]string{b.Oort: module, b.Kfake: module + "/deploy/kfake"} {
		// -buildvcs=false: a clone that belongs to another user has no readable
		// revision, and a test needs none.
		cmd := exec.Command("go", "build", "-race", "-buildvcs=false", "-o", path, pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return Binaries{}, fmt.Errorf("rig: build %s: %w", pkg, err)
		}
	}
	return b, nil
}
