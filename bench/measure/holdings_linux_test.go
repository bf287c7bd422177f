package measure

import (
	"os"
	"testing"
)

func TestHoldings(t *testing.T) {
	self := OpenProcess(os.Getpid())
	before, err := self.Holdings()
	if err != nil || before.Threads < 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	for range 3 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after, err := self.Holdings(); err != nil || after.Descriptors != before.Descriptors+3 {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if _, err := OpenProcess(1 << 30).Holdings(); err == nil {
		t.Error("a process that is not there has descriptors")
	}
}
