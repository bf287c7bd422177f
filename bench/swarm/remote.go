package swarm

import (
	"context"

	"github.com/oortim/oort/bench/control"
)

// Remote is a swarm in a process of its own. Its methods are those of Swarm,
// asked over bench/control; Close of the Child ends it.
type Remote struct{ *control.Child }

// Dial asks for more links and returns when each of them lives or has failed.
func (r Remote) Dial(ctx context.Context, a DialArgs) (reply DialReply, err error) {
	err = r.Call(ctx, MethodDial, a, &reply)
	return reply, err
}

// Status is how the swarm stands.
func (r Remote) Status(ctx context.Context) (reply Status, err error) {
	err = r.Call(ctx, MethodStatus, control.None{}, &reply)
	return reply, err
}

// Reset starts a measurement.
func (r Remote) Reset(ctx context.Context, a ResetArgs) error {
	return r.Call(ctx, MethodReset, a, nil)
}

// Counts since the last reset.
func (r Remote) Counts(ctx context.Context) (reply Counts, err error) {
	err = r.Call(ctx, MethodCounts, control.None{}, &reply)
	return reply, err
}

// Beat has links send heartbeats.
func (r Remote) Beat(ctx context.Context, a BeatArgs) error {
	return r.Call(ctx, MethodBeat, a, nil)
}

// Echo has links send messages and expect them back.
func (r Remote) Echo(ctx context.Context, a EchoArgs) error {
	return r.Call(ctx, MethodEcho, a, nil)
}

// Stall has links stop reading.
func (r Remote) Stall(ctx context.Context, a StallArgs) (reply StallReply, err error) {
	err = r.Call(ctx, MethodStall, a, &reply)
	return reply, err
}

// Resume has stalled links read again.
func (r Remote) Resume(ctx context.Context) error {
	return r.Call(ctx, MethodResume, control.None{}, nil)
}

// Churn has links close and dial anew.
func (r Remote) Churn(ctx context.Context, a ChurnArgs) error {
	return r.Call(ctx, MethodChurn, a, nil)
}

// Part ends every link; the process goes on.
func (r Remote) Part(ctx context.Context, a CloseArgs) error {
	return r.Call(ctx, MethodClose, a, nil)
}
