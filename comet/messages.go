package comet

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/oortim/oort/poller"
	"github.com/oortim/oort/proto/frame"
)

// messages carries what clients send with op 4 to logic and the answers back.
type messages struct {
	logic   Logic
	timeout time.Duration
	log     *slog.Logger
	slots   chan struct{} // one a message under way
	ctx     context.Context
	over    <-chan struct{} // closed when the loops have ended
}

// answer is logic's answer to one message.
type answer struct {
	seq  uint32
	body []byte
}

// hand starts one message on its way; false if too many are.
func (m *messages) hand(l poller.Loop, id poller.ID, msg Message) bool {
	select {
	case m.slots <- struct{}{}:
	default:
		return false
	}
	go func() {
		defer func() { <-m.slots }()
		ctx, cancel := context.WithTimeout(m.ctx, m.timeout)
		defer cancel()
		body, err := m.logic.Receive(ctx, msg)
		if err != nil {
			m.log.Debug("client message not taken", "error", err)
			body = []byte(notTaken)
		}
		patiently(m.over, l, poller.Task{Kind: taskAnswer, ID: id, Ref: &answer{msg.Seq, body}})
	}()
	return true
}

// wait returns when no message is under way any more and none can start.
func (m *messages) wait() {
	for range cap(m.slots) {
		m.slots <- struct{}{}
	}
}

// notTaken answers a message that logic did not get.
const notTaken = `{"error":"unavailable"}`

// askedMost is how many messages of one link may be under way, so that one
// link cannot take all the slots.
const askedMost = 16

// message hands a client's message on; its answer comes as a task. One that
// cannot be taken is answered at once: what others do ends no link.
func (b *bucket) message(r *record, f *frame.Frame) {
	m := Message{Mid: r.mid, Key: b.keyOf(r), Room: b.rooms.In(r.id), Seq: f.Seq, Body: slices.Clone(f.Body)}
	if r.asked == askedMost || !b.s.messages.hand(b.loop, r.id, m) {
		b.answer(r, frame.OpMessageReply, f.Seq, []byte(notTaken))
		return
	}
	r.asked++
}

func (b *bucket) answered(id poller.ID, a *answer) {
	if r := b.at(id); r != nil && r.state == live {
		r.asked--
		b.reply(r, frame.Append(nil, frame.OpMessageReply, a.seq, a.body))
	}
}
