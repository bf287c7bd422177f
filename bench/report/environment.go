package report

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Environment is where a run took place. Figures compare only where this is
// the same. What a system does not tell stays empty.
type Environment struct {
	OS       string `json:"os"`
	Kernel   string `json:"kernel"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`                // that the scheduler may use
	CPULimit string `json:"cpu_limit,omitempty"` // cgroup's cpu.max, if it limits
	Governor string `json:"governor,omitempty"`  // of CPU 0
	Virtual  string `json:"virtual,omitempty"`   // the hypervisor, or "yes"
	Memory   int64  `json:"memory_bytes,omitempty"`
	// HugePages is transparent_hugepage's setting.
	HugePages string `json:"huge_pages,omitempty"`
	// NoFile is RLIMIT_NOFILE of this process, soft/hard.
	NoFile  string    `json:"nofile,omitempty"`
	Load    string    `json:"load,omitempty"` // averages of 1, 5 and 15 minutes at the start
	Sysctls []Setting `json:"sysctls,omitempty"`

	Go         string    `json:"go"`
	GOMAXPROCS int       `json:"gomaxprocs"`
	GOGC       string    `json:"gogc"`
	GOMEMLIMIT string    `json:"gomemlimit"`
	Build      []Setting `json:"build,omitempty"`   // flags that change the code
	Modules    []Setting `json:"modules,omitempty"` // libraries that carry I/O
	Commit     string    `json:"commit,omitempty"`  // with "+" if the tree was changed
	Args       []string  `json:"args"`              // of the process
}

// sysctls that change what a server of many links costs or can hold.
var sysctls = []string{
	"net.core.somaxconn", "net.core.netdev_max_backlog", "net.core.rmem_max", "net.core.wmem_max",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_mem", "net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.ip_local_port_range", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_migrate_req",
	"net.ipv4.tcp_congestion_control", "net.netfilter.nf_conntrack_max",
	"fs.nr_open", "fs.file-max", "kernel.io_uring_disabled",
}

// carriers are the modules whose version is part of what is measured.
var carriers = []string{
	"github.com/panjf2000/gnet/v2", "github.com/cloudwego/netpoll", "google.golang.org/grpc", "github.com/twmb/franz-go",
}

// ReadEnvironment of this process, now.
func ReadEnvironment() Environment {
	e := Environment{
		OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: kernel(), CPUs: runtime.NumCPU(),
		Go: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOGC: orDefault("GOGC", "100"), GOMEMLIMIT: orDefault("GOMEMLIMIT", "off"),
		NoFile: noFile(), Args: append([]string{}, os.Args[1:]...),
	}
	e.readHost()
	if info, ok := debug.ReadBuildInfo(); ok {
		e.readBuild(info)
	}
	return e
}

// readHost reads what Linux has as files; elsewhere there are none.
func (e *Environment) readHost() {
	e.CPU, e.Virtual = readCPU(readFile("/proc/cpuinfo"))
	if e.Virtual != "" {
		if product := strings.TrimSpace(readFile("/sys/class/dmi/id/sys_vendor") + " " + readFile("/sys/class/dmi/id/product_name")); product != "" {
			e.Virtual = product
		}
	}
	e.Memory = readMemory(readFile("/proc/meminfo"))
	e.Governor = readFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	e.HugePages = chosen(readFile("/sys/kernel/mm/transparent_hugepage/enabled"))
	if limit := readFile("/sys/fs/cgroup/cpu.max"); !strings.HasPrefix(limit, "max") {
		e.CPULimit = limit
	}
	if load := strings.Fields(readFile("/proc/loadavg")); len(load) >= 3 {
		e.Load = strings.Join(load[:3], " ")
	}
	for _, name := range sysctls {
		if v := readFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); v != "" {
			e.Sysctls = append(e.Sysctls, Setting{name, strings.Join(strings.Fields(v), " ")})
		}
	}
}

func (e *Environment) readBuild(info *debug.BuildInfo) {
	var revision, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		case s.Key == "-race", s.Key == "-gcflags", s.Key == "-tags", s.Key == "-pgo", s.Key == "CGO_ENABLED", s.Key == "GOAMD64", s.Key == "GOEXPERIMENT":
			e.Build = append(e.Build, Setting{s.Key, s.Value})
		}
	}
	if revision != "" {
		e.Commit = revision + changed
	}
	for _, dep := range info.Deps {
		for _, path := range carriers {
			if dep.Path == path {
				e.Modules = append(e.Modules, Setting{path, dep.Version})
			}
		}
	}
}

// Settings are the whole of e as a list, without what is empty, in the order
// in which a person reads it.
func (e Environment) Settings() []Setting {
	all := []Setting{
		{"OS", e.OS}, {"kernel", e.Kernel}, {"CPU", e.CPU}, Is("CPUs", e.CPUs), {"CPU limit", e.CPULimit},
		{"governor", e.Governor}, {"virtual", e.Virtual}, {"memory", bytesText(e.Memory)}, {"huge pages", e.HugePages},
		{"RLIMIT_NOFILE", e.NoFile}, {"load average", e.Load},
		{"Go", e.Go}, Is("GOMAXPROCS", e.GOMAXPROCS), {"GOGC", e.GOGC}, {"GOMEMLIMIT", e.GOMEMLIMIT},
	}
	all = append(append(append(all, e.Build...), e.Modules...), Setting{"commit", e.Commit})
	all = append(append(all, e.Sysctls...), Setting{"command", e.command()})
	var known []Setting
	for _, s := range all {
		if s.Value != "" {
			known = append(known, s)
		}
	}
	return known
}

// busy is the load a CPU, over the last minute, from which on a machine was
// not idle when the run began.
const busy = 0.25

// Warnings are what a reader must know before believing a figure.
func (e Environment) Warnings() (all []string) {
	if load, ok := (Setting{Value: first(e.Load)}).Number(); ok && load > busy*float64(e.CPUs) {
		all = append(all, fmt.Sprintf("the machine was not idle: load average %s on %d CPUs when the run began", e.Load, e.CPUs))
	}
	for _, s := range e.Build {
		if s.Name == "-race" && s.Value == "true" {
			all = append(all, "built with the race detector, which slows everything, and not evenly")
		}
	}
	if e.Governor != "" && e.Governor != "performance" {
		all = append(all, fmt.Sprintf("the CPU's governor is %q: its clock may change during the run", e.Governor))
	}
	if e.Virtual != "" {
		all = append(all, strings.TrimSuffix("a virtual machine, whose neighbours are part of the spread: "+e.Virtual, ": yes"))
	}
	if e.CPULimit != "" {
		all = append(all, "the control group limits the CPU (cpu.max "+e.CPULimit+")")
	}
	if strings.HasSuffix(e.Commit, "+") {
		all = append(all, "built from a tree with changes that commit "+strings.TrimSuffix(e.Commit, "+")+" does not have")
	}
	return all
}

// command is the process's, "" of a run that was joined from several.
func (e Environment) command() string {
	if e.Args == nil {
		return ""
	}
	return "oort " + strings.Join(e.Args, " ")
}

// String is e in two lines.
func (e Environment) String() string {
	s := fmt.Sprintf("%s %s, %d × %s, %s", e.OS, e.Kernel, e.CPUs, e.CPU, e.Go)
	if e.Commit != "" {
		s += ", commit " + e.Commit
	}
	if c := e.command(); c != "" {
		s += "\n" + c
	}
	return s
}

// readCPU finds the model, and whether a hypervisor says that it is there.
func readCPU(cpuinfo string) (model, virtual string) {
	model = "unknown CPU"
	for line := range strings.Lines(cpuinfo) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name":
			model = strings.TrimSpace(value)
		case "flags":
			if slices.Contains(strings.Fields(value), "hypervisor") {
				virtual = "yes"
			}
		case "": // the end of the first CPU
			return model, virtual
		}
	}
	return model, virtual
}

func readMemory(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kb, _ := strconv.ParseInt(first(rest), 10, 64)
			return kb << 10
		}
	}
	return 0
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func noFile() string {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", r.Cur, r.Max)
}

// chosen is the word in brackets of "always [madvise] never".
func chosen(s string) string {
	_, rest, _ := strings.Cut(s, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}

func orDefault(variable, otherwise string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return otherwise
}

func bytesText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func first(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// readFile is the trimmed text of a small file, "" if it cannot be read.
func readFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
