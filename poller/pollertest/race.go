//go:build race

package pollertest

const raceDetector = true
