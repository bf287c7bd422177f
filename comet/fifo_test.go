package comet

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestFifo: what is put comes out in order, whatever the array does meanwhile.
func TestFifo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo[*int]
		var model []*int
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.SampledFrom([]int{0, 1, 7, 300}).Draw(t, "put") {
				v := new(int)
				q.put(v)
				model = append(model, v)
			}
			n := rapid.SampledFrom([]int{0, 1, 5, 128, 9999}).Draw(t, "take")
			want := model[:min(n, len(model))]
			if got := q.take(nil, n); !slices.Equal(got, want) {
				t.Fatalf("took %d, want %d", len(got), len(want))
			}
			model = model[len(want):]
			if q.len() != len(model) || len(model) > 0 && *q.front() != model[0] {
				t.Fatalf("%d left, want %d", q.len(), len(model))
			}
			for _, v := range q.list[:q.head] {
				if v != nil {
					t.Fatal("what was taken is kept")
				}
			}
		}
	})
}

// TestFifoAllocatesNothing: a queue that is filled and emptied keeps its array.
func TestFifoAllocatesNothing(t *testing.T) {
	var q fifo[[16]uint64]
	var got [][16]uint64
	round := func() {
		for range 100 {
			q.put([16]uint64{})
			q.put([16]uint64{})
			got = q.take(got[:0], 1)
		}
		got = q.take(got[:0], 1000)
	}
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations a round", n)
	}
}

// TestFifoForgetsAStorm: the array of a long queue goes when it is empty.
func TestFifoForgetsAStorm(t *testing.T) {
	var q fifo[int]
	q.put(make([]int, 2*fifoKeeps)...)
	q.take(nil, 2*fifoKeeps)
	if c := cap(q.list); c > fifoKeeps {
		t.Errorf("it keeps %d places", c)
	}
}
