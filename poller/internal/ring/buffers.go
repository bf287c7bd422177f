//go:build linux

package ring

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Buffers are memory that the kernel takes by itself when something comes, and
// that the loop gives back: a ring of descriptions which the kernel reads, and
// behind it the buffers. One idle request holds none of them.
type Buffers struct {
	// immutable
	size  int
	space []byte // mapped: the descriptions, then the buffers
	data  []byte // of space

	descriptions []description // of space; shared with the kernel
	tail         *uint16       // of descriptions[0]; read by the kernel
	next         uint16        // what tail will be
}

// description is struct io_uring_buf. In the first one the last field is the
// ring's tail.
type description struct {
	addr   uint64
	size   uint32
	number uint16
	tail   uint16
}

// Provide maps count buffers, a power of two below 65,536, of size bytes and
// registers them as a group of r.
func (r *Ring) Provide(group uint16, count, size int) (*Buffers, error) {
	head := (count*int(unsafe.Sizeof(description{})) + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	space, err := unix.Mmap(-1, 0, head+count*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r.mappings = append(r.mappings, space)
	b := &Buffers{size: size, space: space, data: space[head:]}
	b.descriptions = unsafe.Slice((*description)(unsafe.Pointer(&space[0])), count)
	b.tail = &b.descriptions[0].tail
	reg := bufferReg{addr: uint64(uintptr(unsafe.Pointer(&space[0]))), entries: uint32(count), group: group}
	if err := r.register(registerBufferRing, unsafe.Pointer(&reg), 1); err != nil {
		return nil, err
	}
	for i := range count {
		b.Return(uint16(i))
	}
	b.Publish()
	return b, nil
}

// bufferReg is struct io_uring_buf_reg.
type bufferReg struct {
	addr    uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// Bytes are the first n bytes of a buffer, until it is returned.
func (b *Buffers) Bytes(number uint16, n int) []byte {
	at := int(number) * b.size
	return b.data[at : at+n : at+n]
}

// Return gives a buffer back; the kernel sees it after Publish.
func (b *Buffers) Return(number uint16) {
	d := &b.descriptions[int(b.next)&(len(b.descriptions)-1)]
	d.addr = uint64(uintptr(unsafe.Pointer(&b.data[int(number)*b.size])))
	d.size, d.number = uint32(b.size), number
	b.next++
}

// Publish lets the kernel take what was returned. The tail shares a word with
// the number of the first buffer, which only this thread writes.
func (b *Buffers) Publish() {
	word := (*uint32)(unsafe.Pointer(&b.descriptions[0].number))
	first := description{number: b.descriptions[0].number, tail: b.next}
	atomic.StoreUint32(word, *(*uint32)(unsafe.Pointer(&first.number)))
}
