//go:build !linux

package tune

// Slack is for Linux; elsewhere it does nothing.
func Slack() {}
