package pollertest

import "github.com/oortim/oort/poller"

// watched is the loop that scripts see. It tells the referee what was asked of
// the engine, and checks what comes back at once.
type watched struct {
	poller.Loop
	referee *referee
}

func (w watched) Close(id poller.ID, reason error) {
	r := w.referee
	_, err := w.Loop.Write(id, nil) // takes nothing, and tells whether the link lives
	if _, ok := r.marked[id]; !ok && err == nil {
		r.marked[id] = reason
	}
	w.Loop.Close(id, reason)
	if _, err := w.Loop.Write(id, nil); err == nil {
		r.fault("%v still takes writes after its Close", id)
	}
}

func (w watched) CloseWrite(id poller.ID) {
	delete(w.referee.owed, id)
	w.Loop.CloseWrite(id)
}

func (w watched) Pause(id poller.ID) {
	if w.referee.open(id) {
		w.referee.paused[id] = true
	}
	w.Loop.Pause(id)
}

func (w watched) Resume(id poller.ID) {
	delete(w.referee.paused, id)
	w.Loop.Resume(id)
}

func (w watched) Write(id poller.ID, b []byte) (int, error) {
	n, err := w.Loop.Write(id, b)
	w.wrote(id, n, len(b), err != nil)
	return n, err
}

func (w watched) Writev(id poller.ID, bufs [][]byte) (int, error) {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	n, err := w.Loop.Writev(id, bufs)
	w.wrote(id, n, size, err != nil)
	return n, err
}

func (w watched) WriteEach(ids []poller.ID, block []byte, taken []int32) {
	w.Loop.WriteEach(ids, block, taken)
	for i, id := range ids {
		w.wrote(id, max(int(taken[i]), 0), len(block), taken[i] < 0)
	}
}

// wrote notes and checks what a write of size bytes took.
func (w watched) wrote(id poller.ID, n, size int, failed bool) {
	r := w.referee
	switch {
	case n < 0 || n > size:
		r.fault("a write of %d bytes to %v took %d", size, id, n)
	case failed:
	case !r.open(id):
		r.fault("a write to %v, which is not open, succeeded", id)
	case r.owed[id] && n > 0:
		r.fault("a write to %v took %d bytes before the OnWritable that is due", id, n)
	case n < size:
		r.owed[id] = true
	}
}
