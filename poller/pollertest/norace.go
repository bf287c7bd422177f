//go:build !race

package pollertest

const raceDetector = false
