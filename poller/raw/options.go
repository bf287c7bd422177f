//go:build linux || darwin || freebsd

package raw

// Options are ways for this engine to work that its users do not see. They need
// Linux; elsewhere Open refuses them with errors.ErrUnsupported. The zero value
// is the default because nothing beat it where descriptors are enough: loops
// that are parked, level-triggered.
//
// Processor time of engine and runtime for an operation, medians of 6 to 14
// rounds that were interleaved on two busy cores, by
//
//	go test -run xxx -bench How ./poller/raw
//
//	                  echo    at 900/s   1,000 links   a megabyte in     a write in
//	                                     at once       short writes      a room
//	parked            13 µs    94 µs     9.1 µs        189 µs            7.3 µs
//	edge              11 µs   113 µs     8.0 µs        213 µs            7.0 µs
//	locked            11 µs   248 µs     9.9 µs        190 µs            7.0 µs
//	private           12 µs   230 µs     8.0 µs        194 µs            7.2 µs
//	edge, private     12 µs   233 µs     8.6 µs        185 µs            7.1 µs
//
// Rounds differ by a fifth, so only the second column tells them apart.
type Options struct {
	// Edge has the kernel report what changes (EPOLLET) instead of what is. A
	// link is then armed once, for reading and writing, and neither a short
	// write nor a pause costs an epoll_ctl; but a read that filled its buffer
	// must be repeated until one does not. The gain is below the noise.
	Edge bool
	// Locked has each loop keep a thread, which blocks in epoll_wait, instead
	// of parking in the runtime's poller. Under load it is as good; a loop that
	// wakes 900 times a second takes 0.22 of a core for that instead of 0.08, as
	// the runtime first waits for a thread that blocks, and then gives its
	// place away. What it buys is that a loop need not queue behind others for
	// the runtime's attention; see yield.
	Locked bool
	// Private gives the thread of each loop a descriptor table of its own, so
	// that the process may hold Loops times RLIMIT_NOFILE links. It implies
	// Locked, and asks more of the Handler: see startPrivate. A call on a
	// socket is spared the shared table's reference count: 0.37 µs instead of
	// 0.44 for one that finds nothing (-bench Call), 1 % of a send.
	Private bool

	// full is how full a loop of many may be; see steering. Zero means by the
	// limit of descriptors.
	full marks
}

// String is what the options add to the engine's name, as in "+edge+private".
func (how Options) String() (s string) {
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"edge", how.Edge},
		{"locked", how.Locked && !how.Private},
		{"private", how.Private},
	} {
		if o.set {
			s += "+" + o.name
		}
	}
	return s
}

// blocks says whether a loop that sleeps keeps its thread.
func (how Options) blocks() bool { return how.Locked || how.Private }
