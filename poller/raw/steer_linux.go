package raw

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// steering deals connects to few of an engine's loops at a time. Loops with
// tables of their own are many so as to have descriptors, not to have
// processors: if the kernel deals connects to all of them, each wakes for each,
// and again for what a link sends and for what is answered to it. Dealt to twice
// as many loops as there are processors, connects come several to a wake, which
// halved the wakes of a million logins. A loop that is nearly full makes place
// for the next, which was listening all the time: so nothing is refused, and
// nothing reset, on the way.
//
// The kernel asks a program of ours (SO_ATTACH_REUSEPORT_CBPF, socket(7)) which
// of the sockets that listen on an address is to get a connect. It names them by
// the order in which they began to listen. That is lost when one stops, which
// only happens when a loop has no descriptor left at all: then the program is
// taken out for good, and the kernel deals connects as it did before.
type steering struct {
	most int // loops that get connects at a time

	mu   sync.Mutex
	full []bool // guarded by mu: loops that get none, by index
	off  bool   // guarded by mu: the program has been taken out
}

// steersFor is how many loops get connects at a time, for each processor.
const steersFor = 2

// newSteering is nil where all loops may get connects at all times.
func newSteering(how Options, loops int) *steering {
	most := steersFor * runtime.NumCPU()
	if !how.Private || loops <= most {
		return nil
	}
	return &steering{most: most, full: make([]bool, loops)}
}

// marks of how full a loop may be.
type marks struct {
	high int // links from which on it gets no connects
	low  int // links down to which it stays without
}

// marksOf leaves a sixteenth of the descriptors to connects that are on their
// way when the loop is passed over.
func marksOf() (m marks, err error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return m, os.NewSyscallError("getrlimit", err)
	}
	n := int(min(limit.Cur, 1<<30))
	return marks{high: n - n/16, low: n - n/8}, nil
}

// begin has the first loops get the connects. No loop runs yet. A kernel that takes
// no such program, as a sandbox's may not, deals connects by itself.
func (s *steering) begin(first *loop) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steerLocked(first)
}

// tend tells the kernel when l has become full, or is so no more. Called by l,
// once a turn.
func (s *steering) tend(l *loop) {
	if s == nil || len(l.listeners) == 0 {
		return
	}
	switch n := l.links.Len(); {
	case !l.passed && n >= l.marks.high:
		l.passed = true
	case l.passed && n <= l.marks.low:
		l.passed = false
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full[l.Index()] = l.passed
	s.steerLocked(l)
}

// steerLocked tells the kernel what holds now, or lets it be for good.
func (s *steering) steerLocked(l *loop) {
	if !s.off && s.attachLocked(l) != nil {
		s.endLocked(l)
	}
}

// end takes the program out: the order of the sockets is about to change.
func (s *steering) end(l *loop) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(l)
}

func (s *steering) endLocked(l *loop) {
	if s.off {
		return
	}
	s.off = true
	for _, ln := range l.listeners {
		_ = unix.SetsockoptInt(ln.fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
	}
}

// attachLocked hands the kernel a program for the loops that are not full, by
// l's sockets, of which each speaks for all that listen on its address.
func (s *steering) attachLocked(l *loop) error {
	code := dealing(s.targetsLocked())
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	for _, ln := range l.listeners {
		if err := unix.SetsockoptSockFprog(ln.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &program); err != nil {
			return err
		}
	}
	return nil
}

// targetsLocked are the first loops that are not full; all, if all are.
func (s *steering) targetsLocked() (loops []int) {
	for i, full := range s.full {
		if !full && len(loops) < s.most {
			loops = append(loops, i)
		}
	}
	if len(loops) > 0 {
		return loops
	}
	for i := range s.full {
		loops = append(loops, i)
	}
	return loops
}

// chance is where a program finds a random number: SKF_AD_OFF +
// SKF_AD_RANDOM of linux/filter.h.
const chance = 1<<32 - 0x1000 + 56

// dealing is a program (bpf(4)) that answers one of the targets by chance.
func dealing(targets []int) []unix.SockFilter {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: chance},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(len(targets))},
	}
	for i, target := range targets {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(i)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(target)})
	}
	return append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(targets[0])})
}
