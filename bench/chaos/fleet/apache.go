package fleet

import (
	"fmt"
	"path/filepath"
)

// apache is Apache Kafka in KRaft mode: one process, broker and controller. Its
// storage is formatted by a shell line before the first start, in the same
// process, so that the part is one pid.
func (f *Fleet) apache() *Part {
	dir := f.data("kafka")
	properties := filepath.Join(f.o.Dir, "kafka.properties")
	classes := filepath.Join(f.o.KafkaLibs, "*")
	start := fmt.Sprintf(`test -e %[1]s/meta.properties || java -cp '%[3]s' kafka.tools.StorageTool format -t b29ydC1ib3J0LWNsdXN0ZQ -c %[2]s
exec java -Xmx512m -cp '%[3]s' kafka.Kafka %[2]s`, dir, properties, classes)
	return &Part{Name: "kafka", Kind: Kafka, Ready: dials(f.KafkaAddr()), makes: dir, file: properties, text: f.apacheProperties(dir),
		argv: []string{"/bin/sh", "-c", start}}
}

func (f *Fleet) apacheProperties(dir string) string {
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[3]s
controller.listener.names=CONTROLLER
log.dirs=%[4]s
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
`, f.KafkaAddr(), f.at(hostKafka, portKRaft), f.via(f.KafkaAddr()), dir)
}
