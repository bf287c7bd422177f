//go:build linux || darwin || freebsd

package raw

import (
	"testing"
	"time"

	"github.com/oortim/oort/poller"
)

// However a link ends, its rest goes back; and a link without one holds none.
func TestRestsAreGivenBack(t *testing.T) {
	r := newRig(t, 10)
	held := func() (n int) {
		r.do(func(l *loop) { n = l.rests.Held() })
		return n
	}
	until := func(want int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); held() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d rests held, want %d", held(), want)
			}
		}
	}
	_, first := r.link()
	first.Write([]byte("half"))
	until(1)
	first.Write([]byte("of ten"))
	until(0)
	first.Write([]byte("half"))
	until(1)
	first.Close()
	until(0)
	id, p := r.link()
	p.Write([]byte("half"))
	until(1)
	r.do(func(l *loop) { l.Close(id, poller.ErrStopped) })
	until(0)
}
