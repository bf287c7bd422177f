// Package rig starts the real oort binary for tests, as one process or as
// several with a real Redis and a Kafka-protocol broker, lets a test stop,
// kill and restart each, and leaves no process behind.
//
// Every process of a rig listens on an address of its own in 127.0.0.0/8:
// outgoing connections on loopback come from 127.0.0.1, so the ports of a
// process that was killed stay free until it is started again.
package rig
