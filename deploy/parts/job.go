package parts

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/job"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/job/directory"
	"github.com/oortim/oort/job/dispatch"
	"github.com/oortim/oort/job/produce"
)

// Job is `oort job`.
type Job struct {
	ops.AdminFlags
	KafkaFlags
	LedgerFlags
	GRPCFlags
	TraceFlags
	Name    string        `help:"Name of this job, for comets' logs and the ledger. Default: the host's and the process's."`
	Logic   []string      `default:"127.0.0.1:3119" placeholder:"HOST:PORT" help:"Logic's gRPC addresses."`
	Static  string        `placeholder:"NAME" help:"Be a static member of the group, of that name, unique among the jobs: after a crash it has its partitions back at once."`
	MaxHold time.Duration `default:"30s" help:"How long a push waits for one comet."`
	Session time.Duration `default:"10s" help:"How long the group waits for a silent job."`
}

// Examples are shown by --help.
func (*Job) Examples() string {
	return `
oort job --kafka 127.0.0.1:9092 --logic 127.0.0.1:3119
oort job --kafka k1:9092,k2:9092 --logic l1:3119,l2:3119 --static job-1 --admin 127.0.0.1:3130
oort job --kafka k1:9093 --kafka-ca /etc/oort/kafka-ca.pem --kafka-sasl scram-sha-512 --kafka-user oort --kafka-password-file /etc/oort/kafka-password --logic l1:3119 --grpc-cert /etc/oort/job.pem --grpc-key /etc/oort/job.key --grpc-ca /etc/oort/ca.pem`
}

// Run runs a job until ctx is over.
func (c *Job) Run(ctx context.Context, log *slog.Logger, level *slog.LevelVar, out io.Writer) error {
	b, err := openBase(c.AdminFlags, log, level, out)
	if err != nil {
		return err
	}
	defer b.opened.close()
	if err := b.openTracing(&c.TraceFlags, 0, "oort-job", jobName(c.Name)); err != nil {
		return err
	}
	ways, err := c.ways(b.telling())
	if err != nil {
		return err
	}
	toLogic, err := ways.dial(c.Logic...)
	if err != nil {
		return ops.Usagef("--logic: %v", err)
	}
	b.opened.add("connection to logic", func(context.Context) error { return toLogic.Close() })
	brokers, err := c.reached(b.telling())
	if err != nil {
		return err
	}
	name := jobName(c.Name)
	_, err = b.openJob(ctx, jobConfig{
		name: name,
		produce: produce.Config{
			Brokers: brokers, Topic: c.Topic, Ledger: c.ledger(c.Topic),
		},
		consume: consume.Config{
			Brokers: brokers, Topic: c.Topic, Group: c.Group, Instance: c.Static, Session: c.Session,
		},
		dispatch: dispatch.Config{Job: name, Dial: ways.dialComet, MaxHold: c.MaxHold},
		logic:    toLogic,
	})
	if err != nil {
		return err
	}
	b.ready()
	return b.wait(ctx)
}

func jobName(told string) string {
	if told != "" {
		return told
	}
	return processName()
}

// processName tells this process from others that do the same.
func processName() string {
	host, _ := os.Hostname()
	return host + "/" + strconv.Itoa(os.Getpid())
}

type jobConfig struct {
	name     string
	produce  produce.Config
	consume  consume.Config
	dispatch dispatch.Config
	logic    grpc.ClientConnInterface
	refresh  time.Duration
}

// openJob starts a job. At the end it waits for what is under way and commits.
func (b *base) openJob(ctx context.Context, c jobConfig) (*job.Job, error) {
	c.consume.Log, c.consume.Metrics, c.consume.Tracer = b.log, b.admin.Registry(), b.tracer
	var source *consume.Kafka
	err := b.reach(ctx, "kafka", func(ctx context.Context) (err error) {
		source, err = consume.Open(ctx, c.consume)
		return err
	})
	if err != nil {
		return nil, err
	}
	var producer *produce.Kafka
	err = b.reach(ctx, "kafka", func(ctx context.Context) (err error) {
		producer, err = produce.Open(ctx, c.produce)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.opened.add("job's producer", func(context.Context) error { producer.Close(); return nil })
	var ledger job.Ledger
	if c.produce.Ledger != "" {
		ledger = producer
	}
	c.dispatch.Log, c.dispatch.Metrics, c.dispatch.Tracer = b.log, b.admin.Registry(), b.tracer
	d, err := dispatch.New(c.dispatch)
	if err != nil {
		return nil, err
	}
	comets := directory.New(c.logic)
	j, err := job.New(job.Config{
		Source: source, Directory: comets, Open: d.Open, Refresh: c.refresh,
		Ledger: ledger, Finder: comets, Writer: producer, Name: c.name,
		Log: b.log, Metrics: b.admin.Registry(),
	})
	if err != nil {
		return nil, err
	}
	b.admin.Check("job", j.Ready)
	b.runJob(j)
	return j, nil
}

func (b *base) runJob(j *job.Job) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	b.opened.add("job", func(ctx context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	go func() {
		err := j.Run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errEnded
			}
			b.failed <- err
		}
		done <- err
	}()
}
