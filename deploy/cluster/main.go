// Command cluster runs a whole oort cluster on this machine, to try things on
// and to break: redis-server, a Kafka, two logics, two jobs and three comets,
// each on an address of its own in 127.0.0.0/8.
//
//	go run ./deploy/cluster start        # returns when all serve; make cluster
//	go run ./deploy/cluster stop         # ends exactly what start started
//
// Logs, data and the list of processes are in one directory (--dir). With
// --kafka-libs DIR, a directory with the jars of Apache Kafka (make kafka-libs),
// the broker is the real one; otherwise kfake, and the output says which.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/oortim/oort/bench/chaos/fleet"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

const usage = "usage: cluster start|stop [--dir DIR] [--base 127.0.7] [--kafka-libs DIR] [--logics N] [--jobs N] [--comets N]"

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("no command; %s", usage)
	}
	var o fleet.Options
	fs := flag.NewFlagSet("cluster", flag.ContinueOnError)
	fs.StringVar(&o.Dir, "dir", ".cluster", "directory of logs, data and the list of processes")
	fs.StringVar(&o.Base, "base", "127.0.7", "first three bytes of the addresses")
	fs.StringVar(&o.KafkaLibs, "kafka-libs", "", "directory with the jars of Apache Kafka (default: kfake)")
	fs.IntVar(&o.Logics, "logics", 2, "how many logics")
	fs.IntVar(&o.Jobs, "jobs", 2, "how many jobs")
	fs.IntVar(&o.Comets, "comets", 3, "how many comets")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "start":
		return start(o, out)
	case "stop":
		return stop(o.Dir, out)
	}
	return fmt.Errorf("no command %q; %s", args[0], usage)
}

func start(o fleet.Options, out io.Writer) error {
	if err := fleet.CheckFree(o.Dir); err != nil {
		return err
	}
	o.Stay = true
	o.Oort, o.Kfake = filepath.Join(o.Dir, "oort"), filepath.Join(o.Dir, "kfake")
	if err := build(o.Oort, "github.com/oortim/oort"); err != nil {
		return err
	}
	if err := build(o.Kfake, "github.com/oortim/oort/deploy/kfake"); err != nil {
		return err
	}
	f, err := fleet.New(o)
	if err != nil {
		return err
	}
	if err := f.Start(context.Background()); err != nil {
		return err
	}
	if err := f.Save(); err != nil {
		f.Stop()
		return err
	}
	tell(f, o.Oort, out)
	return nil
}

func build(path, pkg string) error {
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, pkg)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}

func tell(f *fleet.Fleet, oort string, out io.Writer) {
	fmt.Fprintf(out, "kafka: %s, at %s\nredis: %s\n", f.Kafka, f.KafkaAddr(), f.RedisAddr())
	for _, p := range f.Parts {
		if p.Admin != "" {
			fmt.Fprintf(out, "%-8s pid %-7d admin %s\n", p.Name, p.Pid(), p.Admin)
		}
	}
	for i := range f.Logics() {
		fmt.Fprintln(out, "push to  ", f.LogicHTTP(i))
	}
	for i := range f.Comets() {
		fmt.Fprintln(out, "dial     ", f.CometTCP(i), f.CometWS(i))
	}
	fmt.Fprintf(out, `logs and data: %[1]s

Try:
  %[2]s client join live://1000 --addr %[3]s
  curl -d 'hello' '%[4]s/goim/push/room?operation=1000&type=live&room=1000'
  kill -9 PID                     # one of the above; start does not restart it
  make cluster-stop
`, f.Dir(), oort, f.CometTCP(0), f.LogicHTTP(0))
}

func stop(dir string, out io.Writer) error {
	said, err := fleet.StopSaved(dir)
	for _, line := range said {
		fmt.Fprintln(out, line)
	}
	return err
}
