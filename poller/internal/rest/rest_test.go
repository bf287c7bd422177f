package rest

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestClasses(t *testing.T) {
	for n, want := range map[int]int{0: 6, 1: 6, 64: 6, 65: 7, 128: 7, 129: 8, 1 << 16: 16, 1<<16 + 1: 17, 1 << 17: 17, 1<<17 + 1: 18} {
		if got := class(n); got != want {
			t.Errorf("class(%d) = %d, want %d", n, got, want)
		}
	}
}

// A table does what a map of byte slices would, whatever the order and sizes,
// also when what is kept is a tail of the rest itself.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		model := map[uint32][]byte{}
		var handles []uint32
		size := rapid.OneOf(rapid.IntRange(1, 300), rapid.SampledFrom([]int{64, 65, 128, 1 << 16, 1<<17 - 1, 1 << 17, 1<<17 + 1}))
		fill := func() []byte { return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size.Draw(t, "size")) }
		some := func() uint32 { return rapid.SampledFrom(handles).Draw(t, "handle") }
		add := func(h uint32, b []byte) {
			if h == 0 || model[h] != nil {
				t.Fatalf("handle %d was dealt while in use", h)
			}
			model[h] = bytes.Clone(b)
			handles = append(handles, h)
		}
		t.Repeat(map[string]func(*rapid.T){
			"append new": func(*rapid.T) { b := fill(); add(table.Append(0, b), b) },
			"keep new":   func(*rapid.T) { b := fill(); add(table.Keep(0, b), b) },
			"append": func(t *rapid.T) {
				if len(handles) == 0 {
					return
				}
				h, b := some(), fill()
				if table.Append(h, b) != h {
					t.Fatal("another handle")
				}
				model[h] = append(model[h], b...)
			},
			"keep tail": func(t *rapid.T) {
				if len(handles) == 0 {
					return
				}
				h := some()
				from := rapid.IntRange(0, len(model[h])-1).Draw(t, "from")
				if table.Keep(h, table.Bytes(h)[from:]) != h {
					t.Fatal("another handle")
				}
				model[h] = model[h][from:]
			},
			"free": func(t *rapid.T) {
				if len(handles) == 0 {
					return
				}
				i := rapid.IntRange(0, len(handles)-1).Draw(t, "i")
				table.Free(handles[i])
				delete(model, handles[i])
				handles = append(handles[:i], handles[i+1:]...)
			},
			"": func(t *rapid.T) {
				for h, want := range model {
					if !bytes.Equal(table.Bytes(h), want) {
						t.Fatalf("rest %d is not what it should be", h)
					}
				}
				if table.Held() != len(model) {
					t.Fatalf("%d held, want %d", table.Held(), len(model))
				}
			},
		})
		for _, h := range handles {
			table.Free(h)
		}
	})
}

func TestShrinks(t *testing.T) {
	var table Table
	h := table.Append(0, make([]byte, 1<<16))
	table.Keep(h, table.Bytes(h)[:10])
	if c := cap(table.Bytes(h)); c > 256 {
		t.Errorf("10 bytes are kept in a buffer of %d", c)
	}
	table.Free(h)
	table.Free(0)
}
