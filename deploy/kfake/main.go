// Command kfake runs oort's embedded Kafka-protocol broker in a process of its
// own, for tests and trials that want three processes without a Kafka cluster:
//
//	go run ./deploy/kfake --listen 127.0.0.1:9092 --data /var/tmp/kfake
//
// It prints one line, "listening on ADDR", when clients can reach it. SIGTERM
// and SIGINT stop it cleanly; a SIGKILL loses nothing that it acknowledged.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/oortim/oort/deploy/broker"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kfake:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var cfg broker.Config
	fs := flag.NewFlagSet("kfake", flag.ContinueOnError)
	fs.StringVar(&cfg.Listen, "listen", "127.0.0.1:9092", "address to listen on; port 0 gets one")
	fs.StringVar(&cfg.Advertise, "advertise", "", "address that clients are told (default: where it listens)")
	fs.StringVar(&cfg.DataDir, "data", "", "directory that keeps the records (default: memory)")
	fs.IntVar(&cfg.Partitions, "partitions", 8, "partitions of a topic made without a number")
	fs.BoolVar(&cfg.SyncWrites, "sync-writes", false, "force each batch to the disk before the answer")
	fs.DurationVar(&cfg.Retention, "retention", time.Hour, "how long records are kept")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg.Log = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

	// Before Open, so that a signal right after the line below is not missed.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)

	b, err := broker.Open(cfg)
	if err != nil {
		return err
	}
	fmt.Println("listening on", b.Addr())
	<-stop
	b.Close()
	return nil
}
