package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// An auth frame, byte by byte.
var drawn = []byte{
	0x00, 0x00, 0x00, 0x12, // package length 18 = 16 + 2
	0x00, 0x10, // header length 16
	0x00, 0x01, // version 1
	0x00, 0x00, 0x00, 0x07, // op 7, auth
	0x00, 0x00, 0x01, 0x02, // seq 258
	'{', '}', // body
}

func TestAppendDrawn(t *testing.T) {
	if got := Append(nil, OpAuth, 258, []byte("{}")); !bytes.Equal(got, drawn) {
		t.Errorf("Append: % x\nwant    % x", got, drawn)
	}
	head := AppendHeader([]byte("before"), OpAuth, 258, 2)
	if want := append([]byte("before"), drawn[:HeaderLen]...); !bytes.Equal(head, want) {
		t.Errorf("AppendHeader: % x\nwant          % x", head, want)
	}
}

func TestNextDrawn(t *testing.T) {
	in := append(bytes.Clone(drawn), 0xff) // the next frame's first byte
	f, n, err := Next(in, 18)
	if err != nil || n != 18 {
		t.Fatalf("Next: n %d, %v", n, err)
	}
	if f.Op != OpAuth || f.Seq != 258 || string(f.Body) != "{}" {
		t.Errorf("Next: %+v", f)
	}
	if &f.Body[0] != &in[16] {
		t.Error("the body is a copy")
	}
	if cap(f.Body) != len(f.Body) {
		t.Errorf("the body reaches %d bytes into what follows", cap(f.Body)-len(f.Body))
	}
}

// with is drawn with one field changed: width bytes at offset at.
func with(at, width int, v uint64) []byte {
	b := bytes.Clone(drawn)
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], v)
	copy(b[at:at+width], wide[8-width:])
	return b
}

func TestNextRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		max  int
		want error
		at   int // bytes after which the fault must be told
	}{
		{"length 0", with(atLength, 4, 0), 1 << 20, ErrLength, 4},
		{"length 1", with(atLength, 4, 1), 1 << 20, ErrLength, 4},
		{"length 15", with(atLength, 4, 15), 1 << 20, ErrLength, 4},
		{"length -1", with(atLength, 4, math.MaxUint32), 1 << 20, ErrLength, 4},
		{"length the lowest negative", with(atLength, 4, 1<<31), math.MaxInt, ErrLength, 4},
		{"length the highest", with(atLength, 4, math.MaxInt32), 1 << 20, ErrTooLarge, 4},
		{"length one over the limit", with(atLength, 4, 19), 18, ErrTooLarge, 4},
		{"limit 0", drawn, 0, ErrTooLarge, 4},
		{"limit negative", drawn, -1, ErrTooLarge, 4},
		{"header length 0", with(atHeaderLength, 2, 0), 1 << 20, ErrHeaderLength, 6},
		{"header length 15", with(atHeaderLength, 2, 15), 1 << 20, ErrHeaderLength, 6},
		{"header length 17", with(atHeaderLength, 2, 17), 1 << 20, ErrHeaderLength, 6},
		{"header length -1", with(atHeaderLength, 2, 0xffff), 1 << 20, ErrHeaderLength, 6},
		{"version 2", with(atVersion, 2, 2), 1 << 20, ErrVersion, 8},
		{"version -1", with(atVersion, 2, 0xffff), 1 << 20, ErrVersion, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, n, err := Next(c.in, c.max); !errors.Is(err, c.want) || n != 0 {
				t.Errorf("Next: n %d, %v; want %v", n, err, c.want)
			}
			if _, err := Exact(c.in, c.max); !errors.Is(err, c.want) {
				t.Errorf("Exact: %v; want %v", err, c.want)
			}
			if _, n, err := Next(c.in[:c.at-1], c.max); n != 0 || err != nil {
				t.Errorf("%d bytes: n %d, %v; want to be asked for more", c.at-1, n, err)
			}
			if _, _, err := Next(c.in[:c.at], c.max); !errors.Is(err, c.want) {
				t.Errorf("%d bytes prove the fault; got %v", c.at, err)
			}
		})
	}
}

// The errors name what was wrong, for the log.
func TestErrorsNameTheValue(t *testing.T) {
	_, _, err := Next(with(atLength, 4, math.MaxUint32), 1<<20)
	if !strings.HasSuffix(err.Error(), ": -1") {
		t.Errorf("%q does not end with the length", err)
	}
	_, _, err = Next(with(atLength, 4, 5000), 4096)
	if !strings.HasSuffix(err.Error(), ": 5000 > 4096") {
		t.Errorf("%q does not end with length and limit", err)
	}
}

// goim's benchmark client leaves the version of its heartbeats at 0.
func TestNextTakesVersion0(t *testing.T) {
	if _, n, err := Next(with(atVersion, 2, 0), 1<<20); err != nil || n != len(drawn) {
		t.Errorf("n %d, %v", n, err)
	}
}

func TestBoundaryLengths(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535 - HeaderLen, 65535, 65536, 1 << 20} {
		body := bytes.Repeat([]byte{0xa5}, size)
		b := Append(nil, 1000, 7, body)
		whole := HeaderLen + size
		if len(b) != whole {
			t.Fatalf("body of %d: frame of %d", size, len(b))
		}
		f, n, err := Next(b, whole)
		if err != nil || n != whole || !bytes.Equal(f.Body, body) {
			t.Errorf("body of %d: n %d, %v", size, n, err)
		}
		if _, n, err := Next(b[:whole-1], whole); n != 0 || err != nil {
			t.Errorf("body of %d, a byte short: n %d, %v", size, n, err)
		}
		if _, _, err := Next(b, whole-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("body of %d, limit a byte short: %v", size, err)
		}
		if f, err := Exact(b, whole); err != nil || !bytes.Equal(f.Body, body) {
			t.Errorf("body of %d, Exact: %v", size, err)
		}
	}
}

// What a WebSocket message says of its length must be what came.
func TestExactRefusesOtherLengths(t *testing.T) {
	for _, in := range [][]byte{
		nil,
		drawn[:3],
		drawn[:HeaderLen-1],
		drawn[:HeaderLen],
		drawn[:len(drawn)-1],
		append(bytes.Clone(drawn), 0),
		append(bytes.Clone(drawn), drawn...),
		with(atLength, 4, 17),
		with(atLength, 4, 19),
	} {
		if _, err := Exact(in, 1<<20); !errors.Is(err, ErrInner) {
			t.Errorf("% x: %v, want ErrInner", in, err)
		}
	}
}

func TestOpString(t *testing.T) {
	seen := map[string]Op{}
	for op := Op(0); op < MinPushOp; op++ {
		name := op.String()
		if before, ok := seen[name]; ok {
			t.Errorf("%d and %d are both %q", before, op, name)
		}
		seen[name] = op
	}
	if seen["heartbeat"] != 2 || seen["gap"] != 18 || Op(1000).String() != "1000" {
		t.Error("names and numbers differ from the protocol's table")
	}
}
