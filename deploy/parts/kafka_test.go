package parts

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/oortim/oort/deploy/ops/certs/certstest"
	"github.com/oortim/oort/job/consume"
	"github.com/oortim/oort/logic/publish"
	"github.com/oortim/oort/proto/pushpb"
)

// quiet tells nobody.
var quiet = telling{log: slog.New(slog.DiscardHandler)}

const password = "correct horse battery"

// startKafka runs a broker with TLS, if ca is not nil, and SASL.
func startKafka(t *testing.T, ca *certstest.CA, mutual bool) (addr string) {
	t.Helper()
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL()}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		options = append(options, kfake.Superuser(mechanism, "oort", password))
	}
	if ca != nil {
		options = append(options, kfake.TLS(serverTLS(t, ca, mutual)))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func serverTLS(t *testing.T, ca *certstest.CA, mutual bool) *tls.Config {
	t.Helper()
	pair := ca.Issue("store")
	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
	if mutual {
		cfg.ClientAuth = tls.RequireAnyClientCert
	}
	return cfg
}

// secretFile is a file with a password.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reach stores one push and looks at the broker as a job does.
func reach(t *testing.T, f KafkaFlags) error {
	t.Helper()
	k, err := f.reached(quiet)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	p, err := publish.OpenKafka(ctx, publish.Config{Brokers: k, Partitions: 1, Timeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer p.Close(ctx)
	if err := p.Publish(ctx, []*pushpb.Push{{Id: "a", Kind: pushpb.Kind_KIND_ALL}})[0]; err != nil {
		t.Errorf("publish: %v", err)
	}
	_, err = consume.Open(ctx, consume.Config{Brokers: k, Log: slog.New(slog.DiscardHandler)})
	return err
}

func TestKafka(t *testing.T) {
	t.Parallel()
	ca, other := certstest.New(t), certstest.New(t)
	me := ca.Issue("me")
	secure, mutual, plain := startKafka(t, ca, false), startKafka(t, ca, true), startKafka(t, nil, false)
	right, wrong := secretFile(t, password), secretFile(t, "wrong "+password)
	for name, row := range map[string]struct {
		flags KafkaFlags
		want  string // in the error; "" means none
	}{
		"plain over TLS":   {KafkaFlags{Kafka: []string{secure}, KafkaCA: ca.File, KafkaSASL: "plain", KafkaUser: "oort", KafkaPasswordFile: right}, ""},
		"SCRAM-256":        {KafkaFlags{Kafka: []string{plain}, KafkaSASL: "scram-sha-256", KafkaUser: "oort", KafkaPassword: password}, ""},
		"SCRAM-512 by TLS": {KafkaFlags{Kafka: []string{secure}, KafkaCA: ca.File, KafkaSASL: "scram-sha-512", KafkaUser: "oort", KafkaPasswordFile: right}, ""},
		"own certificate": {KafkaFlags{Kafka: []string{mutual}, KafkaCA: ca.File, KafkaCert: me.Cert, KafkaKey: me.Key, KafkaServerName: "store",
			KafkaSASL: "scram-sha-512", KafkaUser: "oort", KafkaPasswordFile: right}, ""},
		"wrong password": {KafkaFlags{Kafka: []string{secure}, KafkaCA: ca.File, KafkaSASL: "scram-sha-256", KafkaUser: "oort", KafkaPasswordFile: wrong}, "publish:"},
		"other CA":       {KafkaFlags{Kafka: []string{secure}, KafkaCA: other.File, KafkaSASL: "plain", KafkaUser: "oort", KafkaPasswordFile: right}, "unknown authority"},
		"other name":     {KafkaFlags{Kafka: []string{secure}, KafkaCA: ca.File, KafkaServerName: "elsewhere", KafkaSASL: "plain", KafkaUser: "oort", KafkaPasswordFile: right}, "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := reach(t, row.flags)
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestKafkaFlags(t *testing.T) {
	right := secretFile(t, password)
	for name, row := range map[string]struct {
		flags KafkaFlags
		want  string
	}{
		"user without mechanism": {KafkaFlags{KafkaUser: "oort"}, "--kafka-sasl"},
		"mechanism without user": {KafkaFlags{KafkaSASL: "scram-sha-256"}, "--kafka-user"},
		"user without password":  {KafkaFlags{KafkaSASL: "scram-sha-256", KafkaUser: "oort"}, "--kafka-password-file"},
		"password without user":  {KafkaFlags{KafkaSASL: "scram-sha-256", KafkaPassword: password}, "--kafka-user"},
		"plain in the clear":     {KafkaFlags{KafkaSASL: "plain", KafkaUser: "oort", KafkaPassword: password}, "in the clear"},
		"two passwords":          {KafkaFlags{KafkaSASL: "scram-sha-256", KafkaUser: "oort", KafkaPassword: password, KafkaPasswordFile: right}, "both"},
		"no such file":           {KafkaFlags{KafkaSASL: "scram-sha-256", KafkaUser: "oort", KafkaPasswordFile: right + ".gone"}, "--kafka-password-file"},
		"half a pair":            {KafkaFlags{KafkaCert: right}, "--kafka-cert"},
	} {
		_, err := row.flags.reached(quiet)
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}
