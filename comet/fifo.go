package comet

// fifo is a queue in one array, which it uses again: what has been taken from its
// front makes room once that is half of it. The zero value is empty and ready.
type fifo[T any] struct {
	list []T
	head int // list[:head] has been taken, and is zero
}

func (q *fifo[T]) len() int { return len(q.list) - q.head }

func (q *fifo[T]) front() *T { return &q.list[q.head] }

func (q *fifo[T]) put(all ...T) {
	if q.head > 0 && q.head >= len(q.list)/2 && len(q.list)+len(all) > cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, all...)
}

// take appends to dst what is first, n at most.
func (q *fifo[T]) take(dst []T, n int) []T {
	end := q.head + min(n, q.len())
	dst = append(dst, q.list[q.head:end]...)
	clear(q.list[q.head:end]) // lets go of what it points to
	if q.head = end; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	if cap(q.list) > fifoKeeps && q.len() == 0 {
		q.list = nil
	}
	return dst
}

// fifoKeeps is how many places an empty queue keeps at most.
const fifoKeeps = 4096
