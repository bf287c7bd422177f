package control

import (
	"bytes"
	"sync"
)

// Tail is a Writer that keeps the end of what is written, at most 8 KiB: the
// last words of a process. Safe for use by several goroutines.
type Tail struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

const tailBytes = 8 << 10

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// quote is the tail as the end of an error's text.
func (t *Tail) quote() string {
	if s := t.String(); s != "" {
		return "\nits log ends:\n" + s
	}
	return ""
}
