//go:build linux || darwin || freebsd

package raw

import "github.com/oortim/oort/poller"

// link is all that the engine keeps of one link: with its generation 16 bytes
// without a pointer, so a million of them are 16 MB that the collector does not
// look at.
type link struct {
	fd   int32
	flag flag
	rest uint32 // handle of its unused bytes, 0 for none
}

// flag is a set of facts about a link. That it is open or marked, its slot says.
type flag uint32

const (
	paused    flag = 1 << iota // deliveries are off
	muted                      // bytes came while paused, so reading is disarmed
	redeliver                  // it is in loop.resumed, and its rest will be delivered
	unread                     // edge-triggered: no event will tell of what may wait; in loop.more or paused
	owed                       // a write was short, and OnWritable will come
	finished                   // our FIN is sent
	armedIn                    // the kernel reports when it can be read
	armedOut                   // the kernel reports when it can be written
	armedEdge                  // the kernel reports both, once, when that changes
)

func (f flag) has(g flag) bool { return f&g != 0 }

// isOpen says whether id is neither gone nor marked.
func (l *loop) isOpen(id poller.ID) bool { return l.links.Find(id) != nil }
