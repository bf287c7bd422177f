package parts

import "testing"

func TestPercent(t *testing.T) {
	rows := map[uint64]int{
		0: mostPercent, 1 << 20: mostPercent, 8 << 20: 400, 9 << 20: 200, 16 << 20: 200, 32 << 20: 100, 33 << 20: 50,
		128 << 20: 25, 300 << 20: leastPercent, 1 << 40: leastPercent,
	}
	for live, want := range rows {
		if got := percent(live); got != want {
			t.Errorf("%d MB live: %d %%, want %d", live>>20, got, want)
		}
	}
}
