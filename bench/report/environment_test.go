package report

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	e := ReadEnvironment()
	if e.Kernel == "" || e.CPU == "" || e.CPUs < 1 || e.Go != runtime.Version() || len(e.Args) == 0 || e.NoFile == "" {
		t.Errorf("%+v", e)
	}
	if runtime.GOOS == "linux" && (e.Memory == 0 || e.Load == "" || len(e.Sysctls) < 5) {
		t.Errorf("linux tells more: %+v", e)
	}
	for _, s := range e.Settings() {
		if s.Name == "" || s.Value == "" || strings.ContainsAny(s.Value, "\t\n") {
			t.Errorf("setting %q", s)
		}
	}
}

func TestReadHost(t *testing.T) {
	const cpuinfo = "processor\t: 0\nmodel name\t: Made CPU @ 3 GHz\nflags\t\t: fpu vme hypervisor\nbugs\t\t:\n\nprocessor\t: 1\nmodel name\t: Other\n"
	if model, virtual := readCPU(cpuinfo); model != "Made CPU @ 3 GHz" || virtual != "yes" {
		t.Errorf("%q, %q", model, virtual)
	}
	if model, virtual := readCPU(strings.ReplaceAll(cpuinfo, "hypervisor", "hypervisors")); model == "" || virtual != "" {
		t.Errorf("%q, %q", model, virtual)
	}
	if model, _ := readCPU(""); model != "unknown CPU" {
		t.Errorf("%q", model)
	}
	if n := readMemory("MemTotal:        2048 kB\nMemFree: 1 kB\n"); n != 2<<20 {
		t.Errorf("memory %d", n)
	}
	for in, want := range map[string]string{"always [madvise] never": "madvise", "[always] never": "always", "": "", "never": ""} {
		if got := chosen(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	quiet := Environment{CPUs: 4, Load: "0.90 2 3", Governor: "performance", Commit: "ab12"}
	if w := quiet.Warnings(); len(w) > 0 {
		t.Errorf("%q", w)
	}
	for word, e := range map[string]Environment{
		"not idle": {CPUs: 4, Load: "1.10 0 0"}, "race": {Build: []Setting{{"-race", "true"}}}, "powersave": {Governor: "powersave"},
		"virtual": {Virtual: "QEMU"}, "cpu.max": {CPULimit: "100000 100000"}, "ab12 ": {Commit: "ab12+"},
	} {
		if w := e.Warnings(); len(w) != 1 || !strings.Contains(w[0], word) {
			t.Errorf("%s: %q", word, w)
		}
	}
}

// What is compared must be all there is.
func TestSettingsAreComplete(t *testing.T) {
	e := Environment{
		OS: "os", Kernel: "k", CPU: "cpu", CPUs: 7, CPULimit: "limit", Governor: "gov", Virtual: "virt", Memory: 1 << 30, HugePages: "huge",
		NoFile: "nofile", Load: "load", Sysctls: []Setting{{"s", "sysctl"}}, Go: "go", GOMAXPROCS: 9, GOGC: "gc", GOMEMLIMIT: "mem",
		Build: []Setting{{"b", "build"}}, Modules: []Setting{{"m", "module"}}, Commit: "commit", Args: []string{"args"},
	}
	var values []string
	for _, s := range e.Settings() {
		values = append(values, s.Value)
	}
	for _, want := range []string{"os", "k", "cpu", "7", "limit", "gov", "virt", "1.0 GiB", "huge", "nofile", "load", "sysctl", "go", "9", "gc", "mem", "build", "module", "commit", "oort args"} {
		if !slices.Contains(values, want) {
			t.Errorf("%q is missing in %q", want, values)
		}
	}
}
