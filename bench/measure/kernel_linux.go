package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Kernel is what the kernel of the machine uses for itself, in bytes, and its
// TCP sockets. Links on loopback count twice: both ends are this machine's.
// Other processes count too, so a difference of two readings means something
// only on a machine that does nothing else.
type Kernel struct {
	Slab       int64 // objects: sockets, files, inodes, epoll items
	PageTables int64
	Stacks     int64 // of threads
	Available  int64 // what could be given to processes
	// Sockets in use, in memory at all, and in TIME_WAIT.
	InUse, Allocated, TimeWait int64
	Buffers                    int64 // bytes that wait in sockets
}

// ReadKernel reads /proc/meminfo, and /proc/net/sockstat of this network
// namespace.
func ReadKernel() (k Kernel, err error) {
	mem, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return k, fmt.Errorf("measure: %w", err)
	}
	err = readKilobytes(string(mem), map[string]*int64{
		"Slab": &k.Slab, "PageTables": &k.PageTables, "KernelStack": &k.Stacks, "MemAvailable": &k.Available,
	})
	if err != nil {
		return k, fmt.Errorf("measure: /proc/meminfo: %w", err)
	}
	socks, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return k, fmt.Errorf("measure: %w", err)
	}
	if err := k.readSockets(string(socks)); err != nil {
		return k, fmt.Errorf("measure: /proc/net/sockstat: %w", err)
	}
	return k, nil
}

// readSockets reads "TCP: inuse 3 orphan 0 tw 1 alloc 5 mem 2", mem in pages.
func (k *Kernel) readSockets(text string) error {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "TCP:")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		for i := 0; i+1 < len(words); i += 2 {
			n, err := strconv.ParseInt(words[i+1], 10, 64)
			if err != nil {
				return err
			}
			switch words[i] {
			case "inuse":
				k.InUse = n
			case "alloc":
				k.Allocated = n
			case "tw":
				k.TimeWait = n
			case "mem":
				k.Buffers = n * int64(os.Getpagesize())
			}
		}
		return nil
	}
	return fmt.Errorf("no line for TCP in %q", text)
}
