//go:build linux || darwin || freebsd

// Package sock receives from and sends to bare, non-blocking sockets.
//
// On Linux it does not tell Go's scheduler of a call, which cannot block. That
// saves 0.1 µs of CPU a call: of 0.5 for one that finds nothing, and of 8 for a
// send on loopback, where it is lost in the noise
// (go test -run xxx -bench 'Call|WriteEach' ./poller/raw).
package sock

// MaxVec is IOV_MAX, the most buffers of one Vector.Send.
const MaxVec = 1024
