package frame

import "testing"

// Every byte of every link goes through these, so none of them may feed the
// collector.
func TestNoAllocations(t *testing.T) {
	push := Append(nil, 1000, 0, make([]byte, 100))
	three := batch(push, push, push)
	dst := make([]byte, 0, 256)
	var sink Frame
	for name, f := range map[string]func(){
		"Next":         func() { sink, _, _ = Next(push, 4096) },
		"Next, cut":    func() { sink, _, _ = Next(push[:50], 4096) },
		"Exact":        func() { sink, _ = Exact(push, 4096) },
		"Append":       func() { dst = Append(dst[:0], 1000, 0, push) },
		"AppendHeader": func() { dst = AppendHeader(dst[:0], 1000, 0, 5) },
		"Frames": func() {
			for f := range Frames(three, 4096) {
				sink = f
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	_ = sink
}

func BenchmarkNext(b *testing.B) {
	push := Append(nil, 1000, 0, make([]byte, 100))
	for b.Loop() {
		if _, n, err := Next(push, 4096); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	body, dst := make([]byte, 100), make([]byte, 0, 256)
	for b.Loop() {
		dst = Append(dst[:0], 1000, 0, body)
	}
}
