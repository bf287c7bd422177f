package job_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/oortim/oort/job"
)

// TestFinishedPrefix: in whatever order comets answer, what is finished is the
// longest prefix of which nothing is open.
func TestFinishedPrefix(t *testing.T) {
	servers := []job.ServerID{"a", "b", "c"}
	b := newBench(t, servers...)
	number := int32(0)
	rapid.Check(t, func(t *rapid.T) {
		number++
		p := b.open(job.TopicID{}, number)
		n := rapid.IntRange(1, 12).Draw(t, "records")
		left := make([]int, n)
		var open []job.Delivery
		for i := range n {
			if err := p.Take(b.t.Context(), records(int64(i), roomPush("x"))); err != nil {
				t.Fatal(err)
			}
			left[i] = len(servers)
		}
		for _, server := range servers {
			o := b.outlet(server)
			o.mu.Lock()
			open = append(open, o.got...)
			o.got = nil
			o.mu.Unlock()
		}
		for len(open) > 0 {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "answered")
			d := open[i]
			open = slices.Delete(open, i, i+1)
			left[d.Offset]--
			d.Owner.Done("", d, job.Outcome{})
			want := slices.IndexFunc(left, func(n int) bool { return n > 0 })
			if want < 0 {
				want = n
			}
			last, ok := p.Finished()
			if ok != (want > 0) || ok && last.Offset != int64(want-1) {
				t.Fatalf("finished up to %d (%v); open: %v", last.Offset, ok, left)
			}
		}
	})
}
