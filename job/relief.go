package job

import "sync"

// relief wakes all who wait for room at some outlet. It has a lock of its own
// because outlets tell of room while the routes are held.
type relief struct {
	mu   sync.Mutex
	next chan struct{} // guarded by mu; closed by the next tell
}

// wait returns what the next tell closes. Take it before looking for room.
func (r *relief) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

func (r *relief) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.next)
	r.next = make(chan struct{})
}
