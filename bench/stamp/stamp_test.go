package stamp

import (
	"encoding/hex"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBytes(t *testing.T) {
	s := Stamp{Run: 0x01020304, Room: 5, Seq: 6, Sent: 7}
	const want = "6f6f727401020304" + "0000000500000006" + "0000000000000007"
	if got := hex.EncodeToString(Append(nil, s, Len)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stamp{rapid.Uint32().Draw(t, "run"), rapid.Uint32().Draw(t, "room"), rapid.Uint32().Draw(t, "seq"), rapid.Int64().Draw(t, "sent")}
		size := rapid.IntRange(0, 200).Draw(t, "size")
		b := Append([]byte("before"), s, size)[len("before"):]
		if len(b) != max(size, Len) {
			t.Fatalf("%d bytes of %d", len(b), size)
		}
		if got, ok := Parse(b); !ok || got != s {
			t.Fatalf("got %+v %v, want %+v", got, ok, s)
		}
		for i := range Len {
			if _, ok := Parse(b[:i]); ok {
				t.Fatalf("%d bytes hold a stamp", i)
			}
		}
	})
}

func TestParseOthers(t *testing.T) {
	for _, body := range []string{"", "hello", "an application's own message, long enough"} {
		if s, ok := Parse([]byte(body)); ok {
			t.Errorf("%q holds %+v", body, s)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	dst, clock := make([]byte, 0, 256), NewClock()
	if n := testing.AllocsPerRun(100, func() {
		dst = Append(dst[:0], Stamp{Seq: 1, Sent: clock.Now()}, 256)
		if _, ok := Parse(dst); !ok {
			t.Error("no stamp")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

const clockVar = "OORT_STAMP_TEST_CLOCK"

// Another process reads the same time, between two readings of ours.
func TestClockOfAnotherProcess(t *testing.T) {
	if os.Getenv(clockVar) != "" {
		os.Stdout.WriteString(strconv.FormatInt(NewClock().Now(), 10) + "\n")
		os.Exit(0)
	}
	clock := NewClock()
	before := clock.Now()
	cmd := exec.Command(os.Args[0], "-test.run=TestClockOfAnotherProcess")
	cmd.Env = append(os.Environ(), clockVar+"=1")
	out, err := cmd.Output()
	after := clock.Now()
	if err != nil {
		t.Fatal(err)
	}
	there, err := strconv.ParseInt(string(out[:len(out)-1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if there < before || there > after {
		t.Errorf("%d is not within %d and %d", there, before, after)
	}
	if d := time.Duration(NewClock().Now() - clock.Now()); d.Abs() > time.Second {
		t.Errorf("two clocks of a process differ by %v", d)
	}
}

func BenchmarkNow(b *testing.B) {
	clock := NewClock()
	for b.Loop() {
		clock.Now()
	}
}
