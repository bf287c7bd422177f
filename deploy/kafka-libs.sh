#!/bin/sh
# Brings the jars of Apache Kafka, by Maven, into a directory, for
# `go run ./deploy/cluster start --kafka-libs DIR` and `oort bench chaos
# --kafka-libs DIR`. They need Java 17 or later. No test needs them.
set -eu
dir=${1:?usage: kafka-libs.sh DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oort</groupId><artifactId>kafka-libs</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version>
  </dependency></dependencies>
</project>
POM
mkdir -p "$dir"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(cd "$dir" && pwd)"
