package room

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets the property test take more steps than rapid's 30, unless the
// command line says otherwise: rooms have to fill up and lag first.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.steps" })
	if !given {
		_ = flag.Set("rapid.steps", "150")
	}
	os.Exit(m.Run())
}
