//go:build race

package js_test

// raceFlag builds the binary as the test was built, so that both share what is
// compiled already.
const raceFlag = "-race=true"
