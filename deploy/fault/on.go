//go:build faults

package fault

import "os"

// named is read once: the environment of a process does not change.
var named = Name(os.Getenv("OORT_FAULT"))

// On reports whether the process has the defect n.
func On(n Name) bool { return named == n }
