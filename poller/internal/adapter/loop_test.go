//go:build linux || darwin || freebsd

package adapter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oortim/oort/poller"
)

// rig is a loop without a library, and its handler. It writes down what both
// are told.
type rig struct {
	*testing.T
	Loop[string]
	told   []string
	data   func(id poller.ID, in []byte) int // nil uses all
	closed func(id poller.ID)
	refuse error // of Arm
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t}
	o, err := poller.Options{NewHandler: func(poller.Loop) poller.Handler { return handler{r} }, MaxRest: 10}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r.Prepare(o, 0, Adapter[string](hooks{r}), func() {})
	if err := r.bind(o, r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Finish(); r.ReleaseGone() })
	return r
}

// link opens a link over a pair of sockets, and returns its peer.
func (r *rig) link(name string) (*Link[string], int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		r.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(fds[1]) })
	return r.Admit(fds[0], name, poller.Conn{}), fds[1]
}

func (r *rig) turn() {
	r.Turn()
	r.ReleaseGone()
}

// expect compares with what was told since it was last called.
func (r *rig) expect(want ...string) {
	r.Helper()
	if !slices.Equal(r.told, want) {
		r.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(r.told, "\n\t"), strings.Join(want, "\n\t"))
	}
	r.told = nil
}

func (r *rig) tell(format string, a ...any) { r.told = append(r.told, fmt.Sprintf(format, a...)) }

type hooks struct{ *rig }

func (h hooks) Begin()                           {}
func (h hooks) Paused(k *Link[string])           { h.tell("paused %s", k.Own) }
func (h hooks) Resumed(k *Link[string])          { h.tell("resumed %s", k.Own) }
func (h hooks) Arm(k *Link[string]) error        { h.tell("arm %s", k.Own); return h.refuse }
func (h hooks) Release(k *Link[string])          { h.tell("release %s", k.Own); unix.Close(k.FD) }
func (h handler) OnOpen(poller.ID, poller.Conn)  {}
func (h handler) OnTask(poller.Task)             {}
func (h handler) OnTurn(time.Time) time.Duration { return -1 }
func (h handler) OnStop()                        {}
func (h handler) OnWritable(id poller.ID)        { h.tell("writable %v", id) }

type handler struct{ *rig }

func (h handler) OnData(id poller.ID, in []byte) int {
	h.tell("data %q", in)
	if h.data == nil {
		return len(in)
	}
	return h.data(id, in)
}

func (h handler) OnClose(id poller.ID, reason error) {
	h.tell("close %v", reason)
	if h.closed != nil {
		h.closed(id)
	}
}

func TestRestComesAgainInFrontOfNewerBytes(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	r.data = func(_ poller.ID, in []byte) int { return len(in) / 4 * 4 }
	r.Deliver(k, []byte("onetwo"))
	r.Deliver(k, []byte("3"))
	r.Deliver(k, []byte("4"))
	r.expect(`data "onetwo"`, `data "wo3"`, `data "wo34"`)
	if n := r.rests.Held(); n != 0 {
		t.Errorf("%d rests are held for a link that has none", n)
	}
}

// What comes in one piece is offered so that a pause at any byte leaves no more
// than MaxRest of what was seen; a full rest gets one byte more, and then it is
// too large.
func TestPortions(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	r.Deliver(k, []byte("0123456789abcde"))
	r.expect(`data "0123456789"`, `data "abcde"`)
	r.data = func(poller.ID, []byte) int { return 0 }
	r.Deliver(k, []byte("0123456"))
	if room := r.Room(k); room != 3 {
		t.Errorf("room for %d bytes behind 7 of 10", room)
	}
	r.Deliver(k, []byte("789a"))
	r.turn()
	r.expect(`data "0123456"`, `data "0123456789"`, `data "0123456789a"`,
		"close "+poller.ErrRestTooLarge.Error(), "release a")
}

func TestPausedLinkKeepsWhatComes(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	r.data = func(id poller.ID, in []byte) int { r.Pause(id); return 1 }
	r.Deliver(k, []byte("0123456789abcde"))
	r.Deliver(k, []byte("f"))
	r.expect(`data "0123456789"`, "paused a")
	if n := r.Unused(k); n != 15 {
		t.Errorf("%d bytes are kept, want 15", n)
	}
	r.data = nil
	r.Resume(k.ID)
	r.Deliver(k, []byte("g")) // waits for what Resume has promised
	r.expect()
	r.turn()
	r.expect(`data "123456789a"`, `data "bcdefg"`, "resumed a")
	r.turn()
	r.expect()
}

func TestPausingAgainWhileTheRestIsDelivered(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	r.data = func(id poller.ID, in []byte) int { r.Pause(id); return 1 }
	r.Deliver(k, []byte("abc"))
	for _, want := range []string{`data "bc"`, `data "c"`} {
		r.told = nil
		r.Resume(k.ID)
		r.turn()
		r.expect(want, "paused a")
	}
	r.Resume(k.ID)
	r.turn()
	r.expect("resumed a")
}

func TestCloseIsToldOnceAndLast(t *testing.T) {
	r := newRig(t)
	a, _ := r.link("a")
	b, _ := r.link("b")
	first := errors.New("first")
	r.closed = func(poller.ID) { r.Close(b.ID, errors.New("by the other")) }
	r.Close(a.ID, first)
	r.Close(a.ID, errors.New("second"))
	if r.Open(a) || r.Find(a.ID) != nil {
		t.Error("a marked link is open")
	}
	r.Deliver(a, []byte("late"))
	r.Pause(a.ID)
	r.Pay(a.ID)
	r.turn()
	r.expect("close first", "close by the other", "release a", "release b")
	c, _ := r.link("c")
	if c.ID.Slot > 1 || r.Open(a) || !r.Open(c) {
		t.Errorf("%v is open, or its successor %v is not", a.ID, c.ID)
	}
}

// However a link ends, its rest goes back.
func TestRestsAreGivenBack(t *testing.T) {
	r := newRig(t)
	for what, end := range map[string]func(k *Link[string]){
		"close": func(k *Link[string]) { r.Close(k.ID, poller.ErrStopped) },
		"used":  func(k *Link[string]) { r.data = nil; r.Deliver(k, []byte("more")) },
		"panic": func(k *Link[string]) {
			r.data = func(poller.ID, []byte) int { panic("!") }
			r.Deliver(k, []byte("more"))
		},
	} {
		k, _ := r.link("a")
		r.data = func(poller.ID, []byte) int { return 0 }
		r.Deliver(k, []byte("half"))
		if n := r.rests.Held(); n != 1 {
			t.Fatalf("%s: %d rests are held before", what, n)
		}
		end(k)
		r.turn()
		if n := r.rests.Held(); n != 0 {
			t.Errorf("%s: %d rests are held", what, n)
		}
	}
}

func TestShortWriteIsPaidOnce(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	block := make([]byte, 1<<22)
	n, err := r.Write(k.ID, block)
	if n == 0 || n == len(block) || err != nil {
		t.Fatalf("the socket took %d of %d, %v", n, len(block), err)
	}
	if n, err := r.Writev(k.ID, [][]byte{block}); n != 0 || err != nil {
		t.Errorf("a full socket took %d, %v", n, err)
	}
	taken := []int32{7}
	if r.WriteEach([]poller.ID{k.ID}, block, taken); taken[0] != 0 {
		t.Errorf("a full socket took %d", taken[0])
	}
	r.Pay(k.ID)
	r.Pay(k.ID)
	r.expect("arm a", fmt.Sprintf("writable %v", k.ID))
}

func TestWatchThatFailsClosesTheLink(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	r.refuse = errors.New("no watch")
	if _, err := r.Write(k.ID, make([]byte, 1<<22)); err != r.refuse {
		t.Errorf("got %v", err)
	}
	r.turn()
	r.expect("arm a", "close no watch", "release a")
}

func TestNothingIsOwedAfterCloseWrite(t *testing.T) {
	r := newRig(t)
	k, _ := r.link("a")
	if _, err := r.Write(k.ID, make([]byte, 1<<22)); err != nil {
		t.Fatal(err)
	}
	r.CloseWrite(k.ID)
	r.Pay(k.ID)
	r.expect("arm a")
	if _, err := r.Write(k.ID, []byte("x")); err != poller.ErrClosed || !k.Finished() || !r.Open(k) {
		t.Errorf("after CloseWrite: %v", err)
	}
}
