package measure

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // now it runs
		t.Fatal(err)
	}
	p := OpenProcess(cmd.Process.Pid)
	m, err := p.Memory()
	if err != nil || m.RSS < 100<<10 || m.RSS > 100<<20 || m.Anonymous <= 0 || m.Anonymous > m.RSS || m.PageTables <= 0 {
		t.Errorf("cat takes %+v, %v", m, err)
	}
	if d, err := p.CPU(); err != nil || d <= 0 || d > time.Second {
		t.Errorf("cat used %v, %v", d, err)
	}
	gone := OpenProcess(1<<22 + 1) // above the kernel's highest
	if _, err := gone.Memory(); err == nil {
		t.Error("no process has memory")
	}
	if _, err := gone.CPU(); err == nil {
		t.Error("no process has used the CPU")
	}
}

// The clock must go as the time does in which this process computes.
func TestProcessCPU(t *testing.T) {
	p := OpenProcess(os.Getpid())
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for at := before; at-before < 50*time.Millisecond; n++ {
		if at, err = p.CPU(); err != nil {
			t.Fatal(err)
		}
	}
	if n < 10 {
		t.Errorf("50 ms passed in %d readings", n)
	}
}

func TestMemoryGrows(t *testing.T) {
	p := OpenProcess(os.Getpid())
	before, err := p.Memory()
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 << 20
	b := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		b[i] = 1
	}
	after, err := p.Memory()
	runtime.KeepAlive(b)
	if d := after.Anonymous - before.Anonymous; err != nil || d < size*9/10 || d > size*8 { // the race detector takes its share
		t.Errorf("%d bytes more for %d, %v", d, size, err)
	}
}

func TestReadKernel(t *testing.T) {
	k, err := ReadKernel()
	if err != nil || k.Slab <= 0 || k.PageTables <= 0 || k.Stacks <= 0 || k.Available <= 0 {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestReadSockets(t *testing.T) {
	const text = "sockets: used 16\nTCP: inuse 3 orphan 1 tw 4 alloc 5 mem 2\nUDP: inuse 9 mem 9\n"
	var k Kernel
	want := Kernel{InUse: 3, Allocated: 5, TimeWait: 4, Buffers: 2 * int64(os.Getpagesize())}
	if err := k.readSockets(text); err != nil || k != want {
		t.Errorf("%+v, %v", k, err)
	}
	for _, bad := range []string{"", "UDP: inuse 1\n", "TCP: inuse x\n"} {
		if k.readSockets(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestReadKilobytes(t *testing.T) {
	var a, b int64
	fields := map[string]*int64{"A": &a, "B": &b}
	if err := readKilobytes("head\nA:  3 kB\nAB: 9 kB\nB:\t1 kB\n", fields); err != nil || a != 3<<10 || b != 1<<10 {
		t.Errorf("%d, %d, %v", a, b, err)
	}
	for text, want := range map[string]string{
		"A: 3 kB\n":          "only 1 of 2",
		"A: 3\nB: 1 kB\n":    "not a number of kB",
		"A: x kB\nB: 1 kB\n": "invalid syntax",
	} {
		if err := readKilobytes(text, fields); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
