package client

import (
	"math/rand/v2"
	"time"

	"github.com/oortim/oort/proto/frame"
)

// heartbeat is guarded by Client.mu. The one timer stands either for the next
// heartbeat (seq is 0) or for the patience with one that is under way:
//
//	idle ── Heartbeat ──▶ sent ── reply ──▶ idle
//	                       └── Timeout ──▶ frames came: sent again; none: ErrSilent
type heartbeat struct {
	timer  *time.Timer
	seq    uint32 // of the heartbeat under way
	frames uint64 // Client.frames when it was sent
}

// startHeartbeat spreads first heartbeats over half an interval, so that links
// dialled together do not beat together.
func (c *Client) startHeartbeat() {
	if c.o.Heartbeat < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		first := c.o.Heartbeat - rand.N(c.o.Heartbeat/2+1)
		c.beat.timer = time.AfterFunc(first, c.onBeat)
	}
}

func (c *Client) onBeat() {
	seq, silent := c.nextBeat()
	if silent {
		c.fail(ErrSilent)
	}
	if seq != 0 {
		c.write(frame.OpHeartbeat, seq, nil)
	}
}

// nextBeat deals the seq of a heartbeat to send, or finds that the server has
// been silent since the last. A reader that waits for Recv proves nothing
// about the server.
func (c *Client) nextBeat() (seq uint32, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, false
	}
	if c.beat.seq != 0 && c.beat.frames == c.frames.Load() && !c.blocked.Load() {
		return 0, true
	}
	c.seq++
	c.beat.seq, c.beat.frames = c.seq, c.frames.Load()
	c.beat.timer.Reset(c.o.Timeout)
	return c.seq, false
}

// answeredLocked is told the seq of each reply.
func (c *Client) answeredLocked(seq uint32) {
	if c.beat.timer != nil && c.beat.seq == seq && c.err == nil {
		c.beat.seq = 0
		c.beat.timer.Reset(c.o.Heartbeat)
	}
}

// stop is called once, when the link ends.
func (b *heartbeat) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}
