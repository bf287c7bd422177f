//go:build linux

// Package netpoll is an engine over github.com/cloudwego/netpoll v0.7.2. The
// library waits for the links in epoll, reads them into buffers of its own and
// starts goroutines of its pool for those that have something; and it tells of
// the peer's end. All else is the adapter's, which is therefore a comparison of
// waiting and reading, not of accepting and writing. An echo of 26 bytes takes
// as long through the adapter as through the bare library, 0.1 ms on two busy
// cores, most of it until the library's poller and its goroutine run
// (go test -run xxx -bench Echo ./poller/netpoll ./poller/engines).
//
// A loop is a lock and a goroutine, as in package std. The library's goroutines
// take the lock for OnData, a watch of full sockets takes it for OnWritable, and
// the loop's goroutine for everything else.
//
// What was added, and why:
//
//   - Accept. The library's own answer to EMFILE is a goroutine that tries until
//     it succeeds, also when the listener is closed, and afterwards it can no
//     longer take the listener out of its poll. So we accept, and enrol the
//     descriptors (listener, enrol).
//   - Writing. The library's Flush blocks when the socket is full, and says
//     nothing of short writes. So we write to the descriptor, and an epoll of
//     ours tells when it takes bytes again (internal/writable).
//   - Rests. The library calls again at once, for ever, while bytes lie unused
//     in its buffer. So everything delivered is taken, and what the handler
//     leaves is copied.
//   - Holding peers back. The library reads on, whatever waits in its buffer.
//     So a link that is paused, or waits for its loop, or has sent more than
//     OnData may be given, is out of the library's poll meanwhile (valve).
//   - Ends. The library closes the descriptor as soon as the peer has ended,
//     while the adapter may write to it or hold the end back behind a Pause. So
//     the descriptor is taken from it then (onEnd). It does not tell a reset
//     from a FIN, so the kernel is asked. And where the race detector is on, it
//     now and then ends a link whose peer lives (Begin).
//
// What remains: an idle link takes 11 KB of the heap (go test -run xxx -bench
// Idle ./poller/engines), 8 of them a read buffer of the library's, which grows
// to 8 MB after the peer has sent much at once. The library's pollers, one for
// each 20 CPUs, serve all engines of a process and never end: a goroutine and
// two descriptors each. What the library would log is dropped, for every user
// of it in the process.
package netpoll

import (
	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/adapter"
)

// engine is the poller.Engine of this package. Links are dealt to the loops in
// turn.
type engine = adapter.Engine[*loop]

// Open listens on every address of o and starts the loops.
func Open(o poller.Options) (poller.Engine, error) {
	return adapter.Open(adapter.Library[*loop, *listener]{
		Name: "netpoll", Listen: listen, Loop: newLoop, Accept: acceptAll,
	}, o)
}
