//go:build linux

package ring

import (
	"bytes"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// newRing opens a ring for the calling thread, with 4 buffers of 8 bytes as
// group 3.
func newRing(t testing.TB, entries, completions uint32) (*Ring, *Buffers) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := Open(entries, completions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	b, err := r.Provide(3, 4, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r, b
}

func socketpair(t testing.TB) (a, b int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	return pair[0], pair[1]
}

// await waits for n completions.
func await(t *testing.T, r *Ring, n int) (got []CQE) {
	t.Helper()
	for end := time.Now().Add(patience); len(got) < n; got = r.Reap(got) {
		if time.Now().After(end) {
			t.Fatalf("%d completions of %d: %+v", len(got), n, got)
		}
		r.Wait(patience)
	}
	if len(got) != n {
		t.Fatalf("%d completions, not %d: %+v", len(got), n, got)
	}
	return got
}

// The kernel's sizes, from <linux/io_uring.h>.
func TestLayout(t *testing.T) {
	for name, sizes := range map[string][2]uintptr{
		"io_uring_sqe":            {unsafe.Sizeof(SQE{}), 64},
		"io_uring_cqe":            {unsafe.Sizeof(CQE{}), 16},
		"io_uring_params":         {unsafe.Sizeof(params{}), 120},
		"io_sqring_offsets":       {unsafe.Sizeof(sqOffsets{}), 40},
		"io_uring_getevents_arg":  {unsafe.Sizeof(eventsArg{}), 24},
		"io_uring_buf":            {unsafe.Sizeof(description{}), 16},
		"io_uring_buf_reg":        {unsafe.Sizeof(bufferReg{}), 40},
		"io_uring_probe with ops": {unsafe.Sizeof(probe{}), 16 + 64*8},
		"sqe.user_data":           {unsafe.Offsetof(SQE{}.UserData), 32},
		"sqe.buf_group":           {unsafe.Offsetof(SQE{}.group), 40},
	} {
		if sizes[0] != sizes[1] {
			t.Errorf("%s: %d, the kernel has %d", name, sizes[0], sizes[1])
		}
	}
}

func TestSendIsSilentUnlessShort(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	from, to := socketpair(t)
	r.Next().Send(int32(from), []byte("hello"))
	r.Submit()
	if done := r.Reap(nil); len(done) > 0 {
		t.Errorf("a send of all completed: %+v", done)
	}
	buf := make([]byte, 10)
	if n, err := unix.Read(to, buf); n != 5 || err != nil || string(buf[:n]) != "hello" {
		t.Errorf("the peer got %q, %v", buf[:max(n, 0)], err)
	}

	big := make([]byte, 8<<20)
	send := func(fd int) int32 {
		t.Helper()
		e := r.Next()
		e.Send(int32(fd), big)
		e.UserData = 77
		r.Submit()
		done := r.Reap(nil)
		if len(done) != 1 || done[0].UserData != 77 || done[0].More() {
			t.Fatalf("completions %+v", done)
		}
		return done[0].Res
	}
	n := send(from)
	if n <= 0 || int(n) >= len(big) {
		t.Errorf("the short send completed with %d", n)
	}
	if res := send(from); res != -int32(unix.EAGAIN) {
		t.Errorf("a send to a full socket completed with %d", res)
	}
	if res := send(to); res <= 0 {
		t.Errorf("a send the other way completed with %d", res)
	}
	unix.Shutdown(to, unix.SHUT_RDWR)
	if res := send(to); res != -int32(unix.EPIPE) {
		t.Errorf("a send after the end completed with %d", res)
	}
	if res := send(1 << 20); res != -int32(unix.EBADF) {
		t.Errorf("a send to no descriptor completed with %d", res)
	}
}

func TestFailedEntryStopsNoOther(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	from, to := socketpair(t)
	for _, fd := range []int{1 << 20, from, 1 << 20, from} {
		r.Next().Send(int32(fd), []byte("x"))
	}
	r.Submit()
	if done := r.Reap(nil); len(done) != 2 {
		t.Errorf("completions %+v", done)
	}
	if n, _ := unix.Read(to, make([]byte, 10)); n != 2 {
		t.Errorf("%d sends of 2 went through", n)
	}
}

func TestReceiveGoesOn(t *testing.T) {
	r, b := newRing(t, 8, 16)
	from, to := socketpair(t)
	e := r.Next()
	e.Receive(int32(to), 3)
	e.UserData = 5
	r.Submit()
	if done := r.Reap(nil); len(done) > 0 {
		t.Fatalf("nothing came, and %+v", done)
	}
	for round := range 20 { // each buffer several times
		want := []byte{byte(round), 1, 2}
		unix.Write(from, want)
		c := await(t, r, 1)[0]
		number, ok := c.Buffer()
		if !ok || !c.More() || c.UserData != 5 || !bytes.Equal(b.Bytes(number, int(c.Res)), want) {
			t.Fatalf("round %d: %+v", round, c)
		}
		b.Return(number)
		b.Publish()
	}
	unix.Shutdown(from, unix.SHUT_WR)
	if c := await(t, r, 1)[0]; c.More() || c.Res != 0 {
		t.Errorf("at the end %+v", c)
	}
}

func TestReceiveEndsWithoutBuffers(t *testing.T) {
	r, b := newRing(t, 8, 16)
	from, to := socketpair(t)
	want := []byte("0123456789abcdefghijklmnopqrstuvwxyz") // 36 bytes, the buffers hold 32
	unix.Write(from, want)
	r.Next().Receive(int32(to), 3)
	done := await(t, r, 5)
	last := done[4]
	if last.Res != -int32(unix.ENOBUFS) || last.More() {
		t.Errorf("the last completion is %+v", last)
	}
	var got []byte
	for _, c := range done[:4] {
		number, ok := c.Buffer()
		if !ok || !c.More() {
			t.Errorf("%+v", c)
		}
		got = append(got, b.Bytes(number, int(c.Res))...)
		b.Return(number)
	}
	b.Publish()
	r.Next().Receive(int32(to), 3)
	c := await(t, r, 1)[0]
	number, _ := c.Buffer()
	if got = append(got, b.Bytes(number, int(c.Res))...); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCancel(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	_, to := socketpair(t)
	e := r.Next()
	e.Receive(int32(to), 3)
	e.UserData = 8
	e = r.Next()
	e.Poll(int32(to), unix.POLLIN)
	e.UserData = 9
	r.Next().Cancel(8)
	r.Next().Cancel(9)
	done := await(t, r, 2)
	for i, c := range done {
		if c.Res != -int32(unix.ECANCELED) || c.More() {
			t.Errorf("completion %d is %+v", i, c)
		}
	}
	e = r.Next()
	e.Cancel(8)
	e.UserData = 10
	if c := await(t, r, 1)[0]; c.UserData != 10 || c.Res != -int32(unix.ENOENT) {
		t.Errorf("cancelling what is gone: %+v", c)
	}
}

// What is cancelled lets go of its socket, though the descriptor was closed
// before.
func TestCancelReleasesTheSocket(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	e := r.Next()
	e.Receive(int32(pair[1]), 3)
	e.UserData = 8
	r.Submit()
	unix.Close(pair[1])
	if _, err := unix.Read(pair[0], make([]byte, 1)); err != unix.EAGAIN {
		t.Errorf("before: %v", err)
	}
	r.Next().Cancel(8)
	await(t, r, 1)
	if n, err := unix.Read(pair[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestPollOnTellsOfEachWrite(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r.Next().PollOn(int32(fd), unix.POLLIN)
	r.Submit()
	for range 20 {
		unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		if c := await(t, r, 1)[0]; !c.More() || c.Res&unix.POLLIN == 0 {
			t.Fatalf("%+v", c)
		}
		r.Take()
		if done := r.Reap(nil); len(done) > 0 {
			t.Fatalf("told again of the same write: %+v", done)
		}
	}
}

func TestWaitEndsInTime(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	for _, d := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		start := time.Now()
		for time.Since(start) < d { // a signal may end it early
			r.Wait(d - time.Since(start))
		}
		if took := time.Since(start); took > d+patience/2 {
			t.Errorf("waited %v for %v", took, d)
		}
	}
	if done := r.Reap(nil); len(done) > 0 {
		t.Errorf("%+v", done)
	}
}

// More completes than the queue holds, and nothing is lost or out of order.
func TestOverflow(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	const rounds = 10
	n := uint64(0)
	for range rounds {
		for r.Room() > 0 {
			e := r.Next()
			e.Poll(1<<20, unix.POLLIN) // completes with EBADF
			e.UserData = n
			n++
		}
		r.Submit()
	}
	if !r.Overflowed() {
		t.Fatalf("%d completions fit into the queue", n)
	}
	done := r.Reap(nil)
	for end := time.Now().Add(patience); r.Overflowed() && time.Now().Before(end); {
		r.Take()
		done = r.Reap(done)
	}
	if uint64(len(done)) != n || !slices.IsSortedFunc(done, func(a, b CQE) int { return int(a.UserData) - int(b.UserData) }) {
		t.Errorf("%d completions of %d, or out of order: %+v", len(done), n, done)
	}
}

func TestRoom(t *testing.T) {
	r, _ := newRing(t, 8, 16)
	for left := 8; left > 0; left-- {
		if r.Room() != left {
			t.Fatalf("room for %d, not %d", r.Room(), left)
		}
		r.Next().Poll(1<<20, unix.POLLIN)
	}
	if r.Room() != 0 {
		t.Errorf("room for %d in a full queue", r.Room())
	}
	r.Submit()
	if r.Room() != 8 {
		t.Errorf("room for %d after Submit", r.Room())
	}
	if c := r.Reap(nil); len(c) != 8 || c[0].Res != -int32(syscall.EBADF) {
		t.Errorf("%+v", c)
	}
}
