package client

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/oortim/oort/proto/frame"
)

// Heartbeat sends a heartbeat now and returns the room's online count.
func (c *Client) Heartbeat(ctx context.Context) (online int, err error) {
	body, err := c.call(ctx, frame.OpHeartbeat, nil)
	if err != nil {
		return 0, err
	}
	if len(body) < 4 {
		return 0, nil
	}
	return int(int32(binary.BigEndian.Uint32(body))), nil
}

// ChangeRoom leaves the link's room and enters room ("type://id"; empty: none).
// From the moment that it returns, pushes of the new room arrive and of the old
// do not. With ErrRoomDenied the link stays in its room.
func (c *Client) ChangeRoom(ctx context.Context, room string) error {
	body, err := c.call(ctx, frame.OpChangeRoom, []byte(room))
	if err != nil || len(body) == 0 {
		return err
	}
	var refused struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &refused) == nil && refused.Error != "" {
		return fmt.Errorf("%w: %.100q: %.100s", ErrRoomDenied, room, refused.Error)
	}
	return nil
}

// AddAccepts adds ops to those that the link wants.
func (c *Client) AddAccepts(ctx context.Context, ops ...int32) error {
	_, err := c.call(ctx, frame.OpAddAccepts, opList(ops))
	return err
}

// RemoveAccepts takes ops from those that the link wants.
func (c *Client) RemoveAccepts(ctx context.Context, ops ...int32) error {
	_, err := c.call(ctx, frame.OpRemoveAccepts, opList(ops))
	return err
}

// Send hands body to the application behind logic (op 4) and returns its
// answer (op 5), which is empty if no application listens.
func (c *Client) Send(ctx context.Context, body []byte) ([]byte, error) {
	return c.call(ctx, frame.OpMessage, body)
}

// opList draws ops as the wire has them: comma-separated.
func opList(ops []int32) []byte {
	var b []byte
	for i, op := range ops {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(op), 10)
	}
	return b
}

// call sends a request and waits for the reply of its seq. Calls may overlap.
// The link goes on if ctx ends the wait; the late reply is ignored.
func (c *Client) call(ctx context.Context, op frame.Op, body []byte) ([]byte, error) {
	reply := make(chan frame.Frame, 1)
	seq, err := c.expect(reply)
	if err != nil {
		return nil, err
	}
	defer c.forget(seq)
	c.write(op, seq, body)
	select {
	case f := <-reply:
		return checkReply(op, f)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
	}
	select { // the reply may have come just before the end
	case f := <-reply:
		return checkReply(op, f)
	default:
		return nil, c.Err()
	}
}

// checkReply knows that each request's op is followed by that of its reply.
func checkReply(op frame.Op, f frame.Frame) ([]byte, error) {
	if f.Op != op+1 {
		return nil, fmt.Errorf("%w: op %d in reply to op %d", ErrProtocol, f.Op, op)
	}
	return f.Body, nil
}

func (c *Client) expect(reply chan<- frame.Frame) (seq uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.pending == nil {
		c.pending = make(map[uint32]chan<- frame.Frame)
	}
	c.seq++
	c.pending[c.seq] = reply
	return c.seq, nil
}

func (c *Client) forget(seq uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, seq)
}

// answer hands f to the call that waits for it, if one still does.
func (c *Client) answer(f frame.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answeredLocked(f.Seq)
	if reply := c.pending[f.Seq]; reply != nil {
		delete(c.pending, f.Seq)
		f.Body = slices.Clone(f.Body)
		reply <- f // has room for the one reply
	}
}
