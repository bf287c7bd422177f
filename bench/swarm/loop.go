package swarm

import (
	"runtime"
	"sync"
	"time"

	"github.com/oortim/oort/bench/measure"
	"github.com/oortim/oort/bench/stamp"
)

// readBuffer is what a loop reads at a time; all its links share it.
const readBuffer = 64 << 10

// reserve is how many descriptors of a loop's table are not for links: what it
// shares with the process, and room to look around.
const reserve = 64

// loop is a thread with a descriptor table of its own and the links in it.
type loop struct {
	// immutable
	clock stamp.Clock
	poll  *poll
	ended chan struct{} // closed when the loop has ended

	mu    sync.Mutex // guards tasks and over
	tasks []func()   // what others want done
	over  bool       // no task is taken any more

	// Instruments, which others may read.
	latency, beatLatency, join *measure.Latency

	// What follows is owned by the loop, and by its tasks.

	links    []link // by descriptor
	dials    []*dialling
	now      int64 // clock of the turn
	underWay int   // links that are connecting, upgrading or joining
	living   int
	stalls   int // of those, stalled
	tally    tally
	failed   map[string]int64 // since the start
	lost     map[string]int64
	retries  int64

	run        uint32 // what messages must be stamped with
	beats      pace
	churns     pace
	churnReset bool // by RST
	echoes     echoing
	cursor     int   // where the next beat, echo or churn looks for a link
	swept      int64 // when deadlines were last looked at

	buf     [readBuffer]byte
	rests   map[int][]byte // what was read and could not be taken yet, by descriptor
	outs    map[int][]byte // what a socket did not take yet
	more    []tenant       // links that were not read to the end
	scratch []byte         // what is about to be sent
	beat    [2][]byte      // heartbeats: on TCP, on WebSocket
}

// tenant is a link that may be gone when its turn comes.
type tenant struct {
	fd  int
	gen uint32
}

// tally is what a loop counts between resets.
type tally struct {
	received, messages, bytes, gaps, doubles, wrong, stale, sleptMessages int64
	beats, beatReplies, beatsHeld                                         int64
	echoesSent, echoesHeld                                                int64
	churned, joined                                                       int64
}

// newLoop starts a loop for up to room links, which has no part in the dials
// before it.
func newLoop(clock stamp.Clock, room, dials int) (*loop, error) {
	p, err := openPoll()
	if err != nil {
		return nil, err
	}
	l := &loop{
		clock: clock, poll: p, ended: make(chan struct{}),
		latency: measure.NewLatency(), beatLatency: measure.NewLatency(), join: measure.NewLatency(),
		links:  make([]link, room+reserve),
		failed: map[string]int64{}, lost: map[string]int64{},
		rests: map[int][]byte{}, outs: map[int][]byte{},
		beat: heartbeats(),
	}
	for i := range dials { // a link's party is an index in these
		l.dials = append(l.dials, &dialling{index: uint8(i)})
	}
	started := make(chan error)
	go func() {
		defer close(l.ended)
		err := part()
		if started <- err; err == nil {
			l.serve()
		}
	}()
	if err := <-started; err != nil {
		p.close()
		return nil, err
	}
	return l, nil
}

// serve runs turns until stop. The thread ends with the goroutine, and with it
// the table.
func (l *loop) serve() {
	for l.turn() {
	}
	l.closeAll(false)
}

// turn serves what has happened and does what is due; false ends the loop.
func (l *loop) turn() bool {
	n := l.poll.wait(l.pause())
	l.now = l.clock.Now()
	for i := range n {
		if fd, gen, what, ok := l.poll.event(i); ok && l.links[fd].gen == gen && l.links[fd].state != free {
			l.happened(fd, what)
		}
	}
	l.readOn()
	if !l.runTasks() {
		return false
	}
	l.now = l.clock.Now()
	l.sweep()
	l.begin()
	l.sendBeats()
	l.sendEchoes()
	l.churn()
	return true
}

// pause is how long the loop may sleep.
func (l *loop) pause() time.Duration {
	if len(l.more) > 0 {
		return 0
	}
	wait := time.Duration(-1)
	sooner := func(d time.Duration) {
		if d >= 0 && (wait < 0 || d < wait) {
			wait = d
		}
	}
	now := l.clock.Now()
	sooner(l.beats.wait(now))
	sooner(l.churns.wait(now))
	sooner(l.echoes.pace.wait(now))
	for _, d := range l.dials {
		sooner(d.wait(now, l.underWay))
	}
	if l.underWay > 0 {
		sooner(sweepTime)
	}
	return wait
}

// post has f run by the loop; false means that the loop is over and will not.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.tasks = append(l.tasks, f)
	l.poll.ring() // under mu, so that the bell is not gone yet
	return true
}

// runTasks runs them in order; false if the loop was stopped.
func (l *loop) runTasks() bool {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.over || len(l.tasks) > 0 // those that came before the end are done
}

// stop closes every link and ends the loop.
func (l *loop) stop() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.poll.ring()
	<-l.ended
	l.poll.close()
}

// next moves the cursor to the next live link that reads, or returns -1 if
// there is none.
func (l *loop) next() (fd int) {
	for range l.links {
		if l.cursor++; l.cursor >= len(l.links) {
			l.cursor = 0
		}
		if ln := &l.links[l.cursor]; ln.state == live && !ln.flags.has(stalled) {
			return l.cursor
		}
	}
	return -1
}

// makeRoomToRun lets each loop run without waiting for another: one that waits
// in the kernel holds its processor, in the runtime's sense, for a while.
func makeRoomToRun(loops int) {
	if want := loops + runtime.NumCPU(); runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
}
