// Package poller is the contract between a server of many links and the
// engine that moves their bytes. An engine is one way of doing that: a reactor
// over epoll or kqueue, a goroutine a connection, a library. A server is
// written once against this contract and runs on each of them.
//
// # Loops and links
//
// An engine runs a fixed number of loops. Every link belongs to one loop from
// accept to close. The calls of one Handler, and with them every access to the
// state that belongs to its loop, never run at the same time and never nest,
// on any engine: a method of Loop that is called in a callback never calls
// back before that callback has returned. So what a loop owns needs no lock.
//
// A link is a value, ID: a slot, dense from 0 and dealt again after a close,
// and a generation that tells one tenant of the slot from the next. A server
// keeps its own tables by slot. Operations on an ID whose link is gone, or is
// marked as closed, do nothing and say ErrClosed. A file descriptor is no
// identity and never leaves the engine.
//
// All methods of Loop but Post belong to the loop: call them in a callback of
// that loop only. Post may be called from anywhere.
//
// # Reading
//
// OnData hands over what has come and is told how much of it was used. The
// bytes are valid only in the call, and the handler may change those that it
// uses (WebSocket payloads are unmasked in place). What was not used comes again in front of
// newer bytes, and only with newer bytes or after Resume. An idle link holds
// no read buffer: only an unused rest is copied, and at most
// Options.MaxRest bytes of it, beyond which the link is closed with
// ErrRestTooLarge. An engine hands over at most MaxRest bytes at a time, so a
// handler may pause at any byte without passing the limit; only when it has
// left a full MaxRest unused, and did not pause, one more byte comes, which it
// must not leave as well. What was left unused when the peer ends its side is
// dropped.
//
// Pause stops deliveries of one link; Resume starts them again, and delivers
// a rest that waits as if it had just come (in this turn or the next, which
// follows at once; not within Resume). A paused link's close by its peer may
// be told only after Resume or when the link is closed.
//
// # Writing
//
// Write and Writev take what the socket takes now and never block. If they
// take less than all, OnWritable follows, once, when the socket takes bytes
// again; the caller keeps the rest. Until then, further writes to that link
// take nothing and ask for no OnWritable of their own. Bytes taken are no
// longer referenced after the call. No engine keeps a buffer of its own behind
// the caller's back.
//
// # Closing
//
// Close, a peer's end and a write that fails only mark the link. OnClose comes
// later in the turn, last, exactly once for each OnOpen, whoever closed; the
// first reason wins. Closing never blocks. CloseWrite ends only the sending
// side (FIN) and leaves reading on, so that a last frame is not lost to a
// reset; the caller closes later. Writes after CloseWrite fail with ErrClosed
// without marking the link, and an OnWritable that was due no longer comes.
//
// # Turns
//
// OnTurn ends each turn of a loop: after the callbacks of the events and tasks
// at hand, with the loop's clock. There a server flushes what it gathered, and
// says how long the loop may sleep if nothing happens. What OnTurn itself
// closes or resumes makes the next turn follow at once.
//
// # Trouble
//
// A panic in a callback that concerns one link closes that link with a
// PanicError, is counted, and stops nothing else; bytes given to an OnData that
// panicked, or that returned a count out of range, are gone. A panic in another
// callback is counted and told to Options.OnPanic; after one in OnTurn the loop
// turns again within 100 ms. Accept pauses when
// descriptors run out (EMFILE, ENFILE, ENOBUFS, ENOMEM) and goes on within a
// second of relief; it never ends before StopAccept. Meanwhile connects wait; but
// a loop that has descriptors of its own, and is out of them, leaves connects to
// the other loops, and when all are the kernel refuses them.
package poller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// ID names a link within its loop. The zero ID names none: generations start
// at 1.
type ID struct {
	Slot uint32 // dense from 0
	Gen  uint32 // tells the tenants of a slot apart
}

// Task is what Post hands to a loop. It is a struct and not a closure so that
// posting allocates nothing; its fields mean what poster and handler agree on.
type Task struct {
	Kind uint32
	ID   ID
	Arg  uint64
	Ref  any // a pointer, so that nothing is boxed
}

// Conn is what is known of a link when it opens.
type Conn struct {
	Listener int            // index in Options.Listen
	Local    netip.AddrPort // the address that was dialled; IPv4 is never mapped
	Remote   netip.AddrPort // the peer; IPv4 is never mapped
}

// Loop is one reactor thread, or what stands for it, as its Handler sees it.
type Loop interface {
	// Index is the loop's number, from 0, and never changes.
	Index() int
	// Write hands b to the socket of id and returns how many bytes it took.
	// n < len(b) with a nil error means that OnWritable will follow. An error
	// means that the link is closed or has just been marked so, or that its
	// sending side was ended by CloseWrite.
	Write(id ID, b []byte) (n int, err error)
	// Writev is Write for several buffers as one; n counts over all. The slice
	// of slices is the caller's and is not changed.
	Writev(id ID, bufs [][]byte) (n int, err error)
	// WriteEach is Write of one block to many links. taken[i] is how much the
	// socket of ids[i] took; -1 stands for an error of Write. len(taken) must be
	// at least len(ids).
	WriteEach(ids []ID, block []byte, taken []int32)
	// Pause stops deliveries of id until Resume. Both are idempotent.
	Pause(id ID)
	Resume(id ID)
	// CloseWrite sends FIN after what was taken. Reading goes on.
	CloseWrite(id ID)
	// Close marks id as closed for reason, which OnClose will be told.
	Close(id ID, reason error)
	// Post queues t for OnTask, in the order of posting, and wakes the loop
	// if it sleeps. It never blocks; false means that the queue is full or the
	// loop has ended, and t was not taken. Safe from any goroutine.
	Post(t Task) bool
}

// Handler is the server's side of one loop. See the package comment for when
// its methods run.
type Handler interface {
	OnOpen(id ID, c Conn)
	// OnData returns how many bytes of in were used, 0 to len(in).
	OnData(id ID, in []byte) (used int)
	OnWritable(id ID)
	OnClose(id ID, reason error)
	OnTask(t Task)
	// OnTurn is told the loop's clock and returns how long the loop may sleep
	// if nothing happens: 0 for not at all, negative for ever.
	OnTurn(now time.Time) (wait time.Duration)
	// OnStop is the last call: every link has been closed, tasks that were
	// taken have been handled, and the loop ends.
	OnStop()
}

// Options of an engine. The zero value of a field means its default.
type Options struct {
	// Listen are the addresses to listen on, "host:port"; a port of 0 gets
	// one, the same for every loop.
	Listen []string
	// Loops is how many loops to run. Zero means runtime.NumCPU().
	Loops int
	// NewHandler makes the handler of each loop, called once a loop before
	// the loop starts. Required.
	NewHandler func(Loop) Handler
	// MaxRest bounds the unused bytes kept for one link, and so what OnData is
	// given at a time: the longest message must fit. Zero means 64 KiB.
	MaxRest int
	// Queue is how many posted tasks a loop holds that it has not begun. Zero
	// means 65,536.
	Queue int
	// Backlog of the listening sockets. Zero means 4,096 (the kernel caps it
	// at net.core.somaxconn).
	Backlog int
	// AcceptBatch is how many links a loop accepts in one turn, so that a
	// storm of connects does not starve the links that live. Zero means 64.
	AcceptBatch int
	// OnPanic is told of each panic in a callback, with the stack. Optional;
	// called on the loop, of which it must call no method but Post.
	OnPanic func(loop int, value any, stack []byte)
}

// Stats of an engine since its start. Counters only go up.
type Stats struct {
	Accepted     uint64 // links accepted
	AcceptPauses uint64 // times that accept paused for want of descriptors
	Panics       uint64 // panics contained
	Wakes        uint64 // wake-ups of a sleeping loop by Post
	// Busy is how long each loop did not wait, by its index. Nil if the engine
	// cannot tell: behind a library a loop is a lock and not a thread.
	Busy []time.Duration
}

// Engine runs the loops.
type Engine interface {
	// Name of the engine: "epoll", "kqueue", "std", …
	Name() string
	// Addrs are the addresses listened on, in the order of Options.Listen.
	Addrs() []net.Addr
	// Loops in the order of their Index.
	Loops() []Loop
	// StopAccept has the listeners closed, in each loop's next turn, which it
	// starts but does not wait for. The links live on. Idempotent.
	StopAccept()
	// Stop closes the listeners, handles the tasks that were taken, runs a
	// last OnTurn, closes every link with ErrStopped, calls OnStop and ends the
	// loops. It returns nil when all of it has been done; if ctx is over
	// before, it returns its error and leaves the rest to finish alone.
	// Idempotent. Not to be waited for in a callback.
	Stop(ctx context.Context) error
	// Stats may be called at any time from anywhere.
	Stats() Stats
}

// Reasons that an engine gives to OnClose. Others are those passed to Close,
// or errors of the system (a *os.SyscallError) when reading or writing failed.
var (
	// ErrPeerClosed: the peer ended its side (FIN).
	ErrPeerClosed = errors.New("poller: closed by peer")
	// ErrStopped: the engine was stopped.
	ErrStopped = errors.New("poller: engine stopped")
	// ErrRestTooLarge: the handler left more than Options.MaxRest unused.
	ErrRestTooLarge = errors.New("poller: unused bytes over the limit")
)

// ErrClosed is returned by operations on a link that is gone or marked.
var ErrClosed = errors.New("poller: link is closed")

// PanicError closes a link whose callback panicked.
type PanicError struct{ Value any }

func (e *PanicError) Error() string { return fmt.Sprintf("poller: panic in a callback: %v", e.Value) }
