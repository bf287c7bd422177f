package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/oortim/oort/bench/measure"
)

// Number writes v with three significant digits or more, and thousands apart:
// 0.0123, 4.80, 56.7, 15,000.
func Number(v float64) string {
	abs := math.Abs(v)
	decimals := 0
	switch {
	case abs >= 100 || v == math.Trunc(v):
	case abs >= 10:
		decimals = 1
	case abs >= 1:
		decimals = 2
	default: // 0.0123: as many zeros as there are, and three digits
		decimals = min(2-int(math.Floor(math.Log10(abs))), 9)
	}
	return thousands(strconv.FormatFloat(v, 'f', decimals, 64))
}

// thousands sets commas into the whole part of a decimal number.
func thousands(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return sign + whole
}

// short writes v for an axis: 0, 0.5, 20k, 1.5M.
func short(v float64) string {
	abs := math.Abs(v)
	for _, s := range []struct {
		at   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if abs >= s.at {
			return strconv.FormatFloat(v/s.at, 'g', 4, 64) + s.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// Times writes a ratio: 1.18 ×, 12.3 ×.
func Times(v float64) string {
	if v < 1 {
		return strconv.FormatFloat(v, 'f', 2, 64) + " ×"
	}
	return Number(v) + " ×"
}

// crooked is how many percent of the median an interval reaches from where on
// it is written by its ends: then it is seldom as far to both sides.
const crooked = 30

// Interval writes a median and its interval: 5.90 ±3.5 %, 9,966 (7.2k–38k).
func Interval(s measure.Spread) string {
	switch {
	case s.High <= s.Low:
		return Number(s.Median)
	case s.Median == 0 || s.Percent() > crooked:
		return Number(s.Median) + " (" + short(threeDigits(s.Low)) + "–" + short(threeDigits(s.High)) + ")"
	}
	return Number(s.Median) + " ±" + Percent(s.Percent())
}

// threeDigits rounds v to three significant digits.
func threeDigits(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	if err != nil {
		return v // what FormatFloat has written can be parsed
	}
	return rounded
}

// Percent writes a change or a spread: 0.4 %, 12 %.
func Percent(v float64) string {
	if abs := math.Abs(v); abs != 0 && abs < 9.95 {
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	}
	return thousands(strconv.FormatFloat(v, 'f', 0, 64)) + " %"
}
