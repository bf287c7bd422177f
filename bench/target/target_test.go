package target

import (
	"maps"
	"strings"
	"testing"
)

func TestParseReady(t *testing.T) {
	tests := []struct {
		line string
		want map[string]string
	}{
		{"ready tcp=127.0.0.1:3101 ws=127.0.0.1:3102 http=[::1]:1 admin=", map[string]string{"tcp": "127.0.0.1:3101", "ws": "127.0.0.1:3102", "http": "[::1]:1", "admin": ""}},
		{"ready tcp=a:1,b:2", map[string]string{"tcp": "a:1"}},
		{"ready ", map[string]string{}},
		{"already tcp=a:1", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if got := parseReady(tt.line); !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%q: got %v, want %v", tt.line, got, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	const text = `# HELP oort_x_total Some.
oort_x_total{loop="0"} 3
oort_x_total{loop="a b"} 4.5
oort_x_total_other 100
oort_y 7
oort_z nonsense
`
	for name, want := range map[string]float64{"oort_x_total": 7.5, "oort_y": 7, "oort_x": -1, "oort_z": -1} {
		got, ok := sum(strings.NewReader(text), name)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}
