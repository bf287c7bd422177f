// Package swarm is many client links from one process, to load a server with.
//
// The links run on a small reactor of their own, which shares no code with the
// engines that it measures: a few loops, each a locked thread with an epoll and
// with a descriptor table of its own, so that each loop may open another
// RLIMIT_NOFILE descriptors. A link is a record of 48 bytes without pointers;
// nothing else is kept for an idle link.
//
// A swarm checks what it receives: stamped messages (bench/stamp) by room and
// sequence, replies to heartbeats, echoes, the protocol itself. It has two
// faces, the command line and bench/control.
package swarm
