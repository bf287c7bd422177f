//go:build linux || darwin || freebsd

package adapter

import "github.com/oortim/oort/poller"

// Link is one connection; T is what the adapter keeps of it. It belongs to its
// loop, but for ID, which never changes, and what of Own the adapter says.
// Unlike a slot it is never used again, so who still holds one after its end
// holds nobody else's.
type Link[T any] struct {
	ID  poller.ID
	FD  int // what is written to; stays open until Adapter.Release
	Own T

	rest      uint32        // handle of its unused bytes, 0 for none
	seen      int           // how many of them the handler has seen and left
	paused    bool          // deliveries are off
	redeliver bool          // it is in loop.resumed, and its rest will be delivered
	owed      bool          // a write was short, and OnWritable will come
	finished  bool          // our FIN is sent
	gate      chan struct{} // a goroutine waits here for Resume; see Locked.Wait
}

// Waits says whether what comes must wait for a Resume, or for what that left
// to deliver.
func (k *Link[T]) Waits() bool { return k.paused || k.redeliver }

// Finished says whether CloseWrite was called.
func (k *Link[T]) Finished() bool { return k.finished }

func (k *Link[T]) openGate() {
	if k.gate != nil {
		close(k.gate)
		k.gate = nil
	}
}
