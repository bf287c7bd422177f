// Package watch keeps what files say, and reads them again when they change:
// certificates that are renewed, keys that are added or withdrawn, passwords
// that are rotated. Nothing has to be restarted or signalled.
//
// Nobody runs in the background. Whoever asks for the value causes a look at
// the files' times and sizes, at most once a second. What is read half-written
// may be good by chance (fewer authorities, a key without its scopes), so a change
// counts when it is a second old or two looks in a row have found it the same: from
// the first use that is two seconds later. Who writes more slowly than that should
// replace files by rename.
package watch

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Look is how often files are looked at, at most.
const Look = time.Second

// Files keeps the value that read made of some files. Its methods may be called
// concurrently.
type Files[T any] struct {
	// immutable after Open
	paths []string
	read  func() (T, error)
	log   *slog.Logger
	start time.Time

	value atomic.Pointer[T]
	next  atomic.Int64 // time of the next look, since start

	mu     sync.Mutex // held by the one who looks; guards what follows
	seen   []stamp    // of what value was made of; nil after a failure
	found  []stamp    // at the last look
	failed string     // what the log was told last
}

// stamp tells one state of a file from another, as far as its directory can.
type stamp struct {
	inode    uint64
	size     int64
	modified time.Time
}

// Open reads for the first time; its error is that of read. read is called
// again, never twice at a time, when one of paths has changed; if it fails then,
// the value stays as it was, log is told once, and each look tries again.
func Open[T any](log *slog.Logger, read func() (T, error), paths ...string) (*Files[T], error) {
	f := &Files[T]{paths: paths, read: read, log: log, start: time.Now()}
	f.seen = f.stamps() // before the reading, so that a change meanwhile is seen
	value, err := read()
	if err != nil {
		return nil, err
	}
	f.value.Store(&value)
	f.next.Store(int64(Look))
	return f, nil
}

// Load returns the value. It looks at the files if nobody did for a second; who
// comes while another looks gets the value as it is.
func (f *Files[T]) Load() T {
	now := time.Since(f.start)
	if int64(now) >= f.next.Load() && f.mu.TryLock() {
		f.lookLocked()
		f.next.Store(int64(now + Look))
		f.mu.Unlock()
	}
	return *f.value.Load()
}

func (f *Files[T]) lookLocked() {
	now, before := f.stamps(), f.found
	f.found = now
	if same(now, f.seen) || !same(now, before) && young(now) {
		return
	}
	value, err := f.read()
	if err != nil {
		f.seen = nil
		if text := err.Error(); text != f.failed {
			f.failed = text
			f.log.Warn("a file has changed and cannot be used; what it said before stands", "files", f.paths, "err", err)
		}
		return
	}
	f.value.Store(&value)
	f.seen, f.failed = now, ""
	f.log.Info("a file has changed and was read again", "files", f.paths)
}

// stamps of the files as they are; of one that is not there, none.
func (f *Files[T]) stamps() []stamp {
	stamps := make([]stamp, len(f.paths))
	for i, path := range f.paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		stamps[i] = stamp{size: info.Size(), modified: info.ModTime()}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			stamps[i].inode = s.Ino
		}
	}
	return stamps
}

// young reports whether somebody may still be writing one of the files. A time
// to come, by a clock that was set back, is no sign of it.
func young(stamps []stamp) bool {
	for _, s := range stamps {
		if age := time.Since(s.modified); age >= 0 && age < Look {
			return true
		}
	}
	return false
}

func same(a, b []stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].inode != b[i].inode || a[i].size != b[i].size || !a[i].modified.Equal(b[i].modified) {
			return false
		}
	}
	return true
}

// maxText bounds a secret's file: what is larger is another file.
const maxText = 4 << 10

// Secret reads a file that holds one secret; white space at its ends does not
// count. No error contains a part of it.
func Secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("%s: larger than %d bytes, so no password", path, maxText)
	case secret == "":
		return "", fmt.Errorf("%s: no password in it", path)
	}
	return secret, nil
}
