package ops

import (
	"errors"
	"fmt"
	"strings"
)

// UsageError says that what the operator wrote is wrong: a flag, a variable of
// the environment, a line of the config file. The process exits with 2.
type UsageError struct {
	Err error
	// Help is the command whose --help tells more. Empty means that none would.
	Help string
}

func (e *UsageError) Error() string {
	if e.Help == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (see %s --help)", e.Err, e.Help)
}

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError for a Run or Validate that finds its flags wrong.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// exitCode of a failed command.
func exitCode(err error) int {
	var usage *UsageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// oneLine keeps joined and quoted errors on the one line that a log collector
// or a terminal shows.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}
