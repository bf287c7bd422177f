package frame

import (
	"bytes"
	"errors"
	"testing"
)

func batch(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func TestFrames(t *testing.T) {
	a, b := Append(nil, 1000, 1, []byte("a")), Append(nil, 1001, 0, nil)
	for _, c := range []struct {
		name string
		body []byte
		good int // frames before the end
		want error
	}{
		{"empty", nil, 0, nil},
		{"one", a, 1, nil},
		{"two", batch(a, b), 2, nil},
		{"cut in a body", batch(b, a)[:len(a)+len(b)-1], 1, ErrInner},
		{"cut in a header", batch(a, b[:15]), 1, ErrInner},
		{"cut in a length", batch(a, b[:3]), 1, ErrInner},
		{"cut after one byte", a[:1], 0, ErrInner},
		{"a fault behind a good one", batch(a, with(atLength, 4, 3), b), 1, ErrLength},
		{"a frame over the limit", batch(a, Append(nil, 1000, 0, make([]byte, 100))), 1, ErrTooLarge},
		{"a batch within", batch(a, Append(nil, OpBatch, 0, a), b), 1, ErrInner},
	} {
		t.Run(c.name, func(t *testing.T) {
			good, end := 0, error(nil)
			for f, err := range Frames(c.body, 64) {
				if end != nil {
					t.Fatal("goes on after an error")
				}
				if end = err; err != nil {
					if f.Body != nil || f.Op != 0 {
						t.Errorf("%+v beside an error", f)
					}
					continue
				}
				if cap(f.Body) != len(f.Body) {
					t.Error("a body reaches into the next frame")
				}
				good++
			}
			if good != c.good || !errors.Is(end, c.want) {
				t.Errorf("%d frames, %v; want %d, %v", good, end, c.good, c.want)
			}
		})
	}
}

func TestFramesStops(t *testing.T) {
	a := Append(nil, 1000, 1, []byte("a"))
	n := 0
	for range Frames(batch(a, a, a), 64) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d frames after a break at 2", n)
	}
}
