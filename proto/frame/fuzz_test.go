package frame

import (
	"bytes"
	"errors"
	"testing"
)

// faults are all that a parser here may answer.
var faults = []error{ErrLength, ErrTooLarge, ErrHeaderLength, ErrVersion, ErrInner}

func isFault(err error) bool {
	for _, f := range faults {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

func seed(f *testing.F, add func(b []byte)) {
	valid, invalid := vectors(f)
	for _, v := range append(valid, invalid...) {
		add(v.bytes(f))
	}
}

func FuzzNext(f *testing.F) {
	seed(f, func(b []byte) { f.Add(b, 4096) })
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		if len(b) > 1<<12 {
			b = b[:1<<12]
		}
		fr, n, err := Next(b, max)
		if drop := drip(b, max); drop != outcome(fr, n, err) {
			t.Fatalf("at once:      %s\nbyte by byte: %s", outcome(fr, n, err), drop)
		}
		if err != nil {
			if !isFault(err) || n != 0 {
				t.Fatalf("n %d, %v", n, err)
			}
			return
		}
		if n == 0 {
			return
		}
		checkFrame(t, fr, b[:n], max)
		if ex, err := Exact(b[:n], max); err != nil || outcome(ex, n, nil) != outcome(fr, n, nil) {
			t.Fatalf("Exact: %+v, %v", ex, err)
		}
	})
}

// checkFrame checks that f is what b, exactly one frame, says.
func checkFrame(t *testing.T, f Frame, b []byte, max int) {
	t.Helper()
	if len(b) > max {
		t.Fatalf("%d bytes, limit %d", len(b), max)
	}
	if cap(f.Body) != len(f.Body) {
		t.Fatal("the body reaches beyond the frame")
	}
	again := Append(nil, f.Op, f.Seq, f.Body)
	again[atVersion+1] = b[atVersion+1] // version 0 is taken and never written
	if !bytes.Equal(again, b) {
		t.Fatalf("written again: %x\nwant           %x", again, b)
	}
}

func FuzzFrames(f *testing.F) {
	seed(f, func(b []byte) { f.Add(b, 4096) })
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		at := 0
		for fr, err := range Frames(b, max) {
			if err != nil {
				if !isFault(err) {
					t.Fatal(err)
				}
				return
			}
			n := HeaderLen + len(fr.Body)
			checkFrame(t, fr, b[at:at+n], max)
			if fr.Op == OpBatch {
				t.Fatal("a batch within a batch")
			}
			at += n
		}
		if at != len(b) {
			t.Fatalf("%d of %d bytes read, and no error", at, len(b))
		}
	})
}
