//go:build !race

package js_test

const raceFlag = "-race=false"
