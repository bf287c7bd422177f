//go:build linux

// Package gnet runs links on gnet, an event loop library with callbacks
// (github.com/panjf2000/gnet/v2, v2.9.7). gnet waits for events, reads, keeps
// its own record of each link and closes; the contract's other promises are
// this package's. What was added, and why:
//
//   - Accepting. gnet ends its server, and with it every link, at the first
//     EMFILE; it does not tell the port it got for ":0". So listeners are ours,
//     with a goroutine for each loop, and links are enrolled in a gnet client of
//     one event loop. An accept costs a connection of package net, a duplicate
//     of its descriptor, and the way to the loop and back.
//   - Writing. Conn.Write says that it took all, whatever the socket took,
//     keeps the rest in a buffer without a bound, and calls OnClose from within.
//     So links are written to by send(2) on gnet's descriptor, and package
//     writable tells when a full one takes bytes again. A comparison of this
//     engine with others is one of waiting and reading, not of gnet's writing.
//   - Turns. gnet has no end of a batch of events. The first callback of a batch
//     rings: Execute makes gnet call the loop behind the events of its next
//     batch, and there tasks, Resume, OnClose and OnTurn have their place.
//     That is an eventfd and a second epoll_wait for every batch.
//   - Tasks. Execute may reorder and has no bound, so tasks are in a queue of
//     ours and Execute is its bell. gnet empties its own queue before it polls
//     again, so what a turn leaves to do is not rung for by Execute: see bell.go.
//   - Reading. gnet reads up to 64 KiB whatever the handler can use; what it does
//     not use is kept here, as Discard(0) would drop it, and in portions of
//     MaxRest. gnet's own inbound buffer stays empty.
//   - Pausing. gnet cannot stop reading a link, and would keep what it reads
//     without a bound. So a paused link is taken out of gnet's epoll, whose
//     descriptor is in no API of gnet: it is read from the loop's record by
//     reflection, and Open fails where a version of gnet has it elsewhere.
//   - Closing. OnClose of gnet comes at once, also within other callbacks. It
//     only marks here, and links are closed at the end of a turn.
//
// An idle link takes 590 bytes of the heap, in several objects and a map of
// gnet's; a link of epoll takes 27 (go test -run xxx -bench Idle ./poller/engines).
// A loop that sleeps keeps a thread, in epoll_wait.
package gnet

import (
	"net"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/poller/internal/accept"
	"github.com/oortim/oort/poller/internal/adapter"
)

// engine is the poller.Engine of this package.
type engine = adapter.Engine[*loop]

// Open listens on every address of o and starts the loops. Every loop has a
// goroutine that accepts from each listener, and they take turns.
func Open(o poller.Options) (poller.Engine, error) {
	return adapter.Open(adapter.Library[*loop, *net.TCPListener]{
		Name: "gnet", Listen: accept.Listen, Loop: newLoop, Accept: acceptAll,
	}, o)
}
