#!/bin/bash
# Generates the Go code of proto/*/*.proto into the directory given (default:
# the project itself). Installs protoc by apt and the exact plugins into ./bin.
# Usage: deploy/generate.sh [DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")/.."
into=${1:-.}

deploy/need.sh protoc
export GOBIN=$PWD/bin GOFLAGS=
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0
PATH=$GOBIN:$PATH protoc \
	--go_out="$into" --go_opt=module=github.com/oortim/oort \
	--go-grpc_out="$into" --go-grpc_opt=module=github.com/oortim/oort \
	proto/*/*.proto
