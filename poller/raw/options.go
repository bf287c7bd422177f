//go:build linux || darwin || freebsd

package raw

// Options are ways for this engine to work that its users do not see. The zero
// value is what measures best where descriptors are enough. They need Linux;
// elsewhere Open refuses them with errors.ErrUnsupported.
type Options struct {
	// Edge has the kernel report what changes (EPOLLET) instead of what is.
	Edge bool
	// Locked has each loop keep a thread, which blocks in epoll_wait, instead
	// of parking in the runtime's poller. See blocked for what it costs.
	Locked bool
	// Private gives the thread of each loop a descriptor table of its own, so
	// that the process may hold Loops times RLIMIT_NOFILE links. It implies
	// Locked, and asks more of the Handler: see startPrivate.
	Private bool
}

// String is what the options add to the engine's name, as in "+private".
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
