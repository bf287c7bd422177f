package measure

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat("cpu  1 20 300 4000 50000 6 70 800 900 1000\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
	if want := (Machine{Busy: 3970 * time.Millisecond, Stolen: 8 * time.Second}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 x 7 8\n"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestReadMachine(t *testing.T) {
	before, err := ReadMachine()
	if err != nil || before.Busy <= 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if after, err := ReadMachine(); err != nil {
			t.Fatal(err)
		} else if after.Busy > before.Busy {
			return
		}
	}
	t.Error("10 s of computing left no trace")
}
