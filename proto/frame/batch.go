package frame

import (
	"fmt"
	"iter"
)

// Frames yields the frames in body, the body of an OpBatch frame, in order.
// max bounds each of them, as in Next. A body that ends within a frame, and a
// batch within the batch, end the sequence with ErrInner, any other fault with
// its own error; the Frame beside an error is empty. An empty body yields
// nothing.
func Frames(body []byte, max int) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for rest := body; len(rest) > 0; {
			f, n, err := inner(rest, max)
			if !yield(f, err) || err != nil {
				return
			}
			rest = rest[n:]
		}
	}
}

// inner reads one frame of a batch.
func inner(b []byte, max int) (Frame, int, error) {
	f, n, err := Next(b, max)
	if err != nil {
		return Frame{}, 0, err
	}
	if n == 0 {
		return Frame{}, 0, fmt.Errorf("%w: a batch ends with %d bytes of a frame", ErrInner, len(b))
	}
	// A batch holds pushes. One inside another would make readers recurse as
	// deep as a sender likes.
	if f.Op == OpBatch {
		return Frame{}, 0, fmt.Errorf("%w: a batch within a batch", ErrInner)
	}
	return f, n, nil
}
