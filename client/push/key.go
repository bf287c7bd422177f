package push

import (
	"fmt"
	"os"
	"strings"
)

// ReadKey reads a bearer key from a file. The server's own file will do too,
// where each line is name:key or name:key:scopes: its first key is taken.
func ReadKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("push: key: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, key, named := strings.Cut(line, ":"); named {
			return withoutScopes(key), nil
		}
		return line, nil
	}
	return "", fmt.Errorf("push: %q holds no key", path)
}

// withoutScopes cuts off what the server takes for a key's scopes.
func withoutScopes(key string) string {
	at := strings.LastIndexByte(key, ':')
	if at < 0 {
		return key
	}
	for word := range strings.SplitSeq(key[at+1:], ",") {
		if word != "push" && word != "read" && word != "admin" {
			return key
		}
	}
	return key[:at]
}
