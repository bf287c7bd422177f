package ident

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Server names one run of one comet: "name@start", the name that its operator
// gave it and the Unix time of its start, in microseconds as lower-case
// hexadecimal digits without leading zeros ("c1@642c3f1f9a2b0"). After a
// restart the name is the same and the Server is another, so what was addressed
// to the links of the former run is recognised and dropped.
type Server string

// MaxServerName is the longest name of a comet, in bytes.
const MaxServerName = 64

const serverSep = "@"

// NewServer makes the Server of a comet that started at start. name must be
// [a-z0-9_.-]{1,64}: check it where it is configured, with ParseServerName.
func NewServer(name string, start time.Time) Server {
	return Server(name + serverSep + strconv.FormatInt(start.UnixMicro(), 16))
}

// ParseServerName checks the name that an operator gave to a comet,
// [a-z0-9_.-]{1,64}. Otherwise the error is ErrServer.
func ParseServerName(name string) (string, error) {
	if !within(name, 1, MaxServerName, isServerByte) {
		return "", fmt.Errorf("%w name %q", ErrServer, clip(name))
	}
	return name, nil
}

// ParseServer checks s. Only what NewServer can make passes, so that two
// Servers are equal as strings or not at all. Otherwise the error is ErrServer.
func ParseServer(s string) (Server, error) {
	name, start, _ := strings.Cut(s, serverSep)
	us, err := strconv.ParseInt(start, 16, 64)
	if err != nil || us < 0 || strconv.FormatInt(us, 16) != start || !within(name, 1, MaxServerName, isServerByte) {
		return "", fmt.Errorf("%w %q", ErrServer, clip(s))
	}
	return Server(s), nil
}

// Name is the operator's part of s, the same for every run.
func (s Server) Name() string {
	name, _, _ := strings.Cut(string(s), serverSep)
	return name
}

// Succeeds reports whether s is a later run of the comet that other is a run of.
// Both must have passed ParseServer.
func (s Server) Succeeds(other Server) bool {
	name, start, _ := strings.Cut(string(s), serverSep)
	otherName, otherStart, _ := strings.Cut(string(other), serverSep)
	if len(start) != len(otherStart) { // no leading zeros: the longer is the larger
		return name == otherName && len(start) > len(otherStart)
	}
	return name == otherName && start > otherStart
}

func isServerByte(c byte) bool { return isLowerWord(c) || c == '.' }
