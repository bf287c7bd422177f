package report

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func TestText(t *testing.T) {
	faulty := made(3, 5, 1000)
	faulty.Cases[2].Fault("3 of 15,000 deliveries were lost")
	faulty.Environment.Load = "1.90 1.20 0.90"
	empty := made(0, 5)
	for name, r := range map[string]*Run{
		"five": single(made(5, 5, 1000, 15000), 5), "one": single(made(2, 1, 15000), 1), "faulty": faulty, "empty": empty,
	} {
		var b strings.Builder
		if err := r.Text(&b); err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".txt"
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s: go test -update writes it anew if this is meant:\n%s", file, b.String())
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 5: "5", 4.8: "4.80", 4.801: "4.80", 56.72: "56.7", 100.4: "100", 15000: "15,000", 1234567.8: "1,234,568",
		0.5: "0.500", 0.0123: "0.0123", -0.00012345: "-0.000123", 999.5: "1,000", -15000: "-15,000", 1e-12: "0.000000000",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 999: "999", 1000: "1k", 15000: "15k", 1.5e6: "1.5M", 2e9: "2G", -1500: "-1.5k"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 %", 0.44: "0.4 %", 9.96: "10 %", 12: "12 %", 1234: "1,234 %", -3: "-3.0 %"} {
		if got := Percent(v); got != want {
			t.Errorf("Percent(%v) = %q, want %q", v, got, want)
		}
	}
}
