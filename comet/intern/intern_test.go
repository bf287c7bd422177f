package intern

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Whatever links come and go, a number means the value that it was given for,
// equal values have one number, and what nobody refers to is gone.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := New("usual")
		refs := map[uint32]int{}
		values := map[uint32]string{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				v := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "value"))
				id := table.Add("print of "+v, v)
				if id == 0 {
					t.Fatal("0 is the usual value's")
				}
				if old, held := values[id]; held && old != v {
					t.Fatalf("%d is given to %q and to %q", id, old, v)
				}
				refs[id]++
				values[id] = v
			},
			"release": func(t *rapid.T) {
				if len(refs) == 0 {
					return
				}
				id := rapid.SampledFrom(keys(refs)).Draw(t, "id")
				table.Release(id)
				if refs[id]--; refs[id] == 0 {
					delete(refs, id)
					delete(values, id)
				}
			},
			"": func(t *rapid.T) {
				table.Release(0)
				if *table.At(0) != "usual" || table.Len() != len(values) {
					t.Fatalf("0 is %q, %d values; want %d", *table.At(0), table.Len(), len(values))
				}
				for id, v := range values {
					if *table.At(id) != v {
						t.Fatalf("%d is %q, want %q", id, *table.At(id), v)
					}
				}
				if len(table.rows) > 1+6 {
					t.Fatalf("%d rows for 6 values", len(table.rows))
				}
			},
		})
	})
}

func keys(m map[uint32]int) (ids []uint32) {
	for id := uint32(1); len(ids) < len(m); id++ {
		if m[id] > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
