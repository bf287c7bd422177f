package parts

import (
	"context"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/oortim/oort/deploy/ops"
	"github.com/oortim/oort/proto/kafka"
)

// KafkaFlags say where the pushes are.
type KafkaFlags struct {
	Kafka []string `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Kafka's seed brokers."`
	Topic string   `default:"oort-push" help:"Topic that holds the pushes."`
	Group string   `default:"oort-job" help:"Beginning of the name of the jobs' consumer group."`

	KafkaSASL         string `name:"kafka-sasl" placeholder:"MECHANISM" enum:",plain,scram-sha-256,scram-sha-512" default:"" help:"How to log in to the brokers: plain (with TLS only), scram-sha-256, scram-sha-512; default: not."`
	KafkaUser         string `help:"User name for the brokers."`
	KafkaPassword     string `secret:"" help:"Password for the brokers; rather in a file or the environment than here."`
	KafkaPasswordFile string `placeholder:"FILE" help:"File with the password; a changed one is taken at the next connection."`

	KafkaTLS        bool   `name:"kafka-tls" help:"Reach the brokers by TLS; the same as any of the flags below."`
	KafkaCA         string `name:"kafka-ca" placeholder:"FILE" help:"Authority (PEM) of the brokers' certificates. Default: the system's."`
	KafkaCert       string `name:"kafka-cert" placeholder:"FILE" help:"Certificate (PEM) that is shown to the brokers."`
	KafkaKey        string `name:"kafka-key" placeholder:"FILE" help:"Its key."`
	KafkaServerName string `name:"kafka-server-name" placeholder:"NAME" help:"Name that the brokers' certificates bear. Default: the host that is dialled."`
}

// reached reads the files that the flags name.
func (f *KafkaFlags) reached(to telling) (k kafka.Brokers, err error) {
	k.Seeds = some(f.Kafka)
	secure, err := tlsFlags{
		on: f.KafkaTLS, ca: f.KafkaCA, cert: f.KafkaCert, key: f.KafkaKey, name: f.KafkaServerName,
	}.open("kafka", to)
	if err != nil {
		return k, err
	}
	if secure != nil {
		k.Dial = secure.DialContext
	}
	switch credentials := f.KafkaUser + f.KafkaPassword + f.KafkaPasswordFile; {
	case f.KafkaSASL == "" && credentials != "":
		return k, ops.Usagef("--kafka-sasl: a user or password for the brokers, and no mechanism")
	case f.KafkaSASL == "plain" && k.Dial == nil:
		return k, ops.Usagef("--kafka-sasl plain would send the password in the clear; add --kafka-tls, or use scram-sha-512")
	case f.KafkaSASL == "":
		return k, nil
	}
	login, err := login("kafka-password", f.KafkaUser, f.KafkaPassword, f.KafkaPasswordFile, to)
	if err != nil {
		return k, err
	}
	if f.KafkaUser == "" || f.KafkaPassword+f.KafkaPasswordFile == "" {
		return k, ops.Usagef("--kafka-sasl %s needs --kafka-user and --kafka-password-file", f.KafkaSASL)
	}
	k.SASL = f.mechanism(login)
	return k, nil
}

// mechanism asks for the password at each login, so that a changed one counts.
func (f *KafkaFlags) mechanism(login func() (user, password string)) sasl.Mechanism {
	auth := func(context.Context) (scram.Auth, error) {
		user, password := login()
		return scram.Auth{User: user, Pass: password}, nil
	}
	switch f.KafkaSASL {
	case "scram-sha-256":
		return scram.Sha256(auth)
	case "scram-sha-512":
		return scram.Sha512(auth)
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		user, password := login()
		return plain.Auth{User: user, Pass: password}, nil
	})
}
