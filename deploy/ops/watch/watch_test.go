package watch

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// note is a file and what was read of it; it cannot be read while it says "bad".
type note struct {
	t    *testing.T
	path string
	log  bytes.Buffer
	file *Files[string]
}

func newNote(t *testing.T, text string) *note {
	t.Helper()
	n := &note{t: t, path: filepath.Join(t.TempDir(), "note")}
	n.write(text)
	read := func() (string, error) {
		text, err := os.ReadFile(n.path)
		if string(text) == "bad" {
			err = errors.New("it says bad")
		}
		return string(text), err
	}
	file, err := Open(slog.New(slog.NewTextHandler(&n.log, nil)), read, n.path)
	if err != nil {
		t.Fatal(err)
	}
	n.file = file
	return n
}

// write replaces the file by rename.
func (n *note) write(text string) {
	n.t.Helper()
	if err := os.WriteFile(n.path+".new", []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(n.path+".new", n.path); err != nil {
		n.t.Fatal(err)
	}
}

// later makes a second pass for the file.
func (n *note) later() { n.file.start = n.file.start.Add(-Look) }

func (n *note) want(want string) {
	n.t.Helper()
	if got := n.file.Load(); got != want {
		n.t.Errorf("read %q, want %q", got, want)
	}
}

func TestChange(t *testing.T) {
	n := newNote(t, "one")
	n.write("two")
	n.want("one") // not looked at yet
	n.later()
	n.want("one") // it may still be written
	n.later()
	n.want("two")
	n.write("bad")
	for range 3 {
		n.later()
		n.want("two")
	}
	if told := strings.Count(n.log.String(), "it says bad"); told != 1 {
		t.Errorf("told %d times of one failure:\n%s", told, &n.log)
	}
	if err := os.Remove(n.path); err != nil {
		t.Fatal(err)
	}
	n.later()
	n.want("two")
	n.write("three")
	n.later()
	n.want("two")
	n.later()
	n.want("three")
}

// TestHalfWritten: what is written in place, a part at a time, counts when it is
// whole, though each part could be read.
func TestHalfWritten(t *testing.T) {
	n := newNote(t, "one")
	file, err := os.OpenFile(n.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, part := range []string{"", "tw", "o, ", "three"} {
		if _, err := file.WriteString(part); err != nil {
			t.Fatal(err)
		}
		n.later()
		n.want("one")
	}
	n.later()
	n.want("two, three")
}

// TestOldChange: what was changed a while ago counts at the first look, however
// rarely anybody looks; a time to come is not waited for.
func TestOldChange(t *testing.T) {
	n := newNote(t, "one")
	for text, age := range map[string]time.Duration{"two": 2 * Look, "three": -time.Hour} {
		n.write(text)
		at := time.Now().Add(-age)
		if err := os.Chtimes(n.path, at, at); err != nil {
			t.Fatal(err)
		}
		n.later()
		n.want(text)
	}
}

// TestSameSizeAndTime: a file that was put in place of another is noticed even
// if its size and time are the same.
func TestSameSizeAndTime(t *testing.T) {
	n := newNote(t, "one")
	old, err := os.Stat(n.path)
	if err != nil {
		t.Fatal(err)
	}
	n.write("two")
	if err := os.Chtimes(n.path, time.Time{}, old.ModTime()); err != nil {
		t.Fatal(err)
	}
	n.later()
	n.want("one") // it may still be written
	n.later()
	n.want("two")
}

// TestUnchanged: a look at what has not changed reads nothing.
func TestUnchanged(t *testing.T) {
	n := newNote(t, "one")
	n.later()
	n.want("one")
	if n.log.Len() > 0 {
		t.Errorf("read again: %s", &n.log)
	}
}

func TestOpenFails(t *testing.T) {
	gone := errors.New("gone")
	if _, err := Open(slog.Default(), func() (int, error) { return 0, gone }, "x"); !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
}

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{
		"hunter22\n": "hunter22", " a b \r\n": "a b", "": "", " \n": "", strings.Repeat("x", maxText+1): "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Secret(path)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name the file", err)
		}
	}
	if _, err := Secret(path + ".gone"); err == nil {
		t.Error("no error without the file")
	}
}
