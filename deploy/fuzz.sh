#!/bin/bash
# Runs every fuzzer of the module, one after the other, for the time given.
# Usage: deploy/fuzz.sh 60s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s}
count=0
# A package is asked only if its tests declare a fuzzer: `go test -list` builds.
while read -r dir; do
	package=./$dir
	for fuzzer in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
		echo "== $package $fuzzer $time"
		go test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "$time" -fuzzminimizetime 1s "$package"
		count=$((count + 1))
	done
done < <(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -rn1 dirname | sed 's|^\./||' | sort -u)
echo "$count fuzzers ran $time each without a finding"
((count > 0))
