// Package intern numbers what many links of a loop have alike, such as what
// they want and where they may go, so that the record of a link holds a number
// and no pointer.
package intern

// Table holds each value once, for as long as somebody refers to it. Number 0
// is the value that it was made with and stays. Owned by one loop.
type Table[T any] struct {
	byPrint map[string]uint32
	rows    []row[T]
	free    []uint32
}

type row[T any] struct {
	value T
	print string
	refs  int
}

// New returns a Table in which 0 is usual.
func New[T any](usual T) *Table[T] {
	return &Table[T]{byPrint: map[string]uint32{}, rows: []row[T]{{value: usual}}}
}

// Add returns the number of v and takes a reference, to be given back by
// Release. print is equal for equal values only. The usual value is not to be
// added.
func (t *Table[T]) Add(print string, v T) uint32 {
	id, ok := t.byPrint[print]
	if !ok {
		id = t.place()
		t.rows[id] = row[T]{value: v, print: print}
		t.byPrint[print] = id
	}
	t.rows[id].refs++
	return id
}

func (t *Table[T]) place() uint32 {
	if n := len(t.free); n > 0 {
		id := t.free[n-1]
		t.free = t.free[:n-1]
		return id
	}
	t.rows = append(t.rows, row[T]{})
	return uint32(len(t.rows) - 1)
}

// Release gives one reference back; with the last the number is free for
// another value. Of 0 it does nothing.
func (t *Table[T]) Release(id uint32) {
	if id == 0 {
		return
	}
	r := &t.rows[id]
	if r.refs--; r.refs > 0 {
		return
	}
	delete(t.byPrint, r.print)
	*r = row[T]{}
	t.free = append(t.free, id)
}

// At returns the value; valid until the next Add or Release.
func (t *Table[T]) At(id uint32) *T { return &t.rows[id].value }

// Len is how many values there are beside the usual one.
func (t *Table[T]) Len() int { return len(t.byPrint) }
