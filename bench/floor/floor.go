// Package floor makes bare system calls on sockets and says what they cost:
// what lies under every engine, since whoever sends a message to each of many
// sockets makes at least these calls.
package floor
