package server

import (
	"context"
	"sync"

	"github.com/oortim/oort/bench/control"
	"github.com/oortim/oort/bench/floor"
	"github.com/oortim/oort/proto/frame"
)

// door opens and closes a floor.Door by turns.
type door struct {
	mu   sync.Mutex  // guards open
	open *floor.Door // nil: closed
}

// welcome is the shortest answer to the first frame of a link, whose seq is 1.
var welcome = frame.Append(nil, frame.OpAuthReply, 1, []byte("{}"))

func (d *door) turn(context.Context, control.None) (r DoorReply, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		if d.open, err = floor.OpenDoor(welcome); err != nil {
			return r, err
		}
		r.Addr = "tcp://" + d.open.Addr().String()
		return r, nil
	}
	did, err := d.open.Close()
	d.open = nil
	return DoorReply{Links: did.Links, CPU: did.CPU}, err
}

// shut closes the door that is open, if one is.
func (d *door) shut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		return nil
	}
	_, err := d.open.Close()
	d.open = nil
	return err
}
