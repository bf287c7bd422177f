package push_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/oortim/oort/client/push"
)

// TestReadKey: a file with a key, or the server's own, with scopes behind keys.
func TestReadKey(t *testing.T) {
	for text, want := range map[string]string{
		"s3cret\n":                   "s3cret",
		"# ours\n\n ops:s3cret \r\n": "s3cret",
		"ops:s3cret\nother:no\n":     "s3cret",
		"chat:s3cret:push\n":         "s3cret",
		"chat:s3cret:push,read\n":    "s3cret",
		"chat:s3:cret:admin":         "s3:cret",
		"chat:s3:cret":               "s3:cret",
		"chat:s3:PUSH":               "s3:PUSH",
		"":                           "",
		"# nothing\n":                "",
	} {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := push.ReadKey(file); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}
