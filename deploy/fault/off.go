//go:build !faults

package fault

// On reports whether the defect is built in: never.
func On(Name) bool { return false }
