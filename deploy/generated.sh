#!/bin/bash
# Fails if the committed code is not what generate.sh makes of the .proto
# files. The version of protoc itself is left out of the comparison: it differs
# between releases of Debian and not in what it makes here.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
deploy/generate.sh "$fresh"
stale=0
for committed in proto/*/*.pb.go; do
	diff -u -I '^// *-\{0,1\}[[:space:]]*protoc  *v' "$committed" "$fresh/$committed" || stale=1
done
for made in "$fresh"/proto/*/*.pb.go; do
	[[ -e ${made#"$fresh"/} ]] || { echo "not committed: ${made#"$fresh"/}"; stale=1; }
done
if ((stale)); then
	echo "generated code is not current: run make generate and commit" >&2
	exit 1
fi
