package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	r := made(2, 5, 10)
	r.Cases[0].Fault("one lost")
	file := filepath.Join(dir, "run.json")
	if err := r.WriteFile(file, r.JSON); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := (&Command{Files: []string{file}}).Run(&out); err != nil || !strings.Contains(out.String(), "FAULT: fanout epoll") {
		t.Errorf("%v\n%s", err, out.String())
	}
	page := filepath.Join(dir, "run.html")
	if err := (&Command{Files: []string{file}, HTML: page}).Run(&out); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(page); err != nil || string(b) != pageOf(t, r) {
		t.Errorf("%v: %d bytes", err, len(b))
	}
	for _, c := range []Command{{Files: []string{"no-such-file"}}, {Files: []string{page}}, {Files: []string{file, file}}, {Files: []string{file}, HTML: filepath.Join(dir, "no", "such.html")}} {
		if err := c.Run(&out); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
