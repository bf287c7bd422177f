package server

import (
	"context"

	"github.com/oortim/oort/bench/control"
)

// Remote is a server in a process of its own, which runs Command. Close of the
// Child ends it.
type Remote struct{ *control.Child }

// Addresses are where it listens.
func (r Remote) Addresses(ctx context.Context) (reply Addresses, err error) {
	err = r.Call(ctx, MethodAddresses, control.None{}, &reply)
	return reply, err
}

// Push pushes what args describe, and returns when the comet has taken all.
func (r Remote) Push(ctx context.Context, args PushArgs) (reply PushReply, err error) {
	err = r.Call(ctx, MethodPush, args, &reply)
	return reply, err
}

// Floor sends what args describe to every link by bare system calls.
func (r Remote) Floor(ctx context.Context, args PushArgs) (reply FloorReply, err error) {
	err = r.Call(ctx, MethodFloor, args, &reply)
	return reply, err
}

// Stats are what the server says of itself.
func (r Remote) Stats(ctx context.Context, args StatsArgs) (reply Stats, err error) {
	err = r.Call(ctx, MethodStats, args, &reply)
	return reply, err
}

// Profile starts a CPU profile, or ends it; see control.ProfileArgs.
func (r Remote) Profile(ctx context.Context, file string) error {
	return r.Call(ctx, control.MethodProfile, control.ProfileArgs{File: file}, nil)
}

// Door opens a floor.Door, or closes it; see DoorReply.
func (r Remote) Door(ctx context.Context) (reply DoorReply, err error) {
	err = r.Call(ctx, MethodDoor, control.None{}, &reply)
	return reply, err
}
