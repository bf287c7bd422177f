package report

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/oortim/oort/bench/measure"
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
	for s, want := range map[measure.Spread]string{
		{N: 1, Median: 5.9, Low: 5.9, High: 5.9}:            "5.90",
		{N: 5, Median: 5.9, Low: 5.8, High: 6.1}:            "5.90 ±3.4 %",
		{N: 5, Median: 9966, Low: 7123.4, High: 37_890}:     "9,966 (7.12k–37.9k)",
		{N: 5, Median: 0, Low: -.1234, High: 3}:             "0 (-0.123–3)",
		{N: 5, Median: -31203, Low: -145_000, High: 60_000}: "-31,203 (-145k–60k)",
	} {
		if got := Interval(s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	for factor, want := range map[float64]string{1.187: "19 % worse", 1.05: "5.0 % worse", 2.868: "worse by a factor of 2.87", 21.5: "worse by a factor of 21.5"} {
		if got := worse(factor); got != want {
			t.Errorf("worse(%v) = %q, want %q", factor, got, want)
		}
	}
}
