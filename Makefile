# oort: make help lists what there is.

GO       ?= go
FUZZTIME ?= 60s
BENCH    ?= .
# -count=1: tests that start other programs must not be answered from a cache.
TESTFLAGS ?= -race -count=1 -timeout 8m

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build ./oort, a static binary.
	CGO_ENABLED=0 $(GO) build -trimpath -o oort .

.PHONY: test
test: need lint generated race ## Check everything: format, vet, generated code, all tests with -race.

.PHONY: need
need: ## Install what the tests run, if missing: redis-server and chromium, by apt.
	@deploy/need.sh redis-server chromium

.PHONY: lint
lint: ## Check format and vet, for Linux and for the other systems with a kqueue.
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run gofmt -w on the files above" >&2; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./poller/...
	GOOS=freebsd $(GO) vet ./poller/...

.PHONY: generated
generated: ## Check that the generated code is what the .proto files say.
	@deploy/generated.sh

.PHONY: race
race: ## Run all tests with the race detector.
	$(GO) test $(TESTFLAGS) ./...

# Those that make test leaves out; a spec may carry options.
ENGINES ?= uring gnet netpoll std epoll+edge epoll+locked epoll+private

.PHONY: engines
engines: need ## Run all end-to-end tests on each of ENGINES: those that make test leaves out.
	@for e in $(ENGINES); do \
		echo "engine $$e"; \
		OORT_TEST_ENGINES=$$e $(GO) test $(TESTFLAGS) ./deploy/e2e || exit 1; \
	done

.PHONY: autobahn
autobahn: ## Run Autobahn|Testsuite against the echo server on every engine; needs Python 2.7.
	@GO="$(GO)" deploy/autobahn.sh

.PHONY: generate
generate: ## Generate code from the .proto files; installs protoc by apt and plugins into ./bin.
	@deploy/generate.sh

.PHONY: fuzz
fuzz: ## Run each fuzzer for FUZZTIME (60s).
	@deploy/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## Run the micro benchmarks; BENCH=pattern chooses.
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# A cluster to try things on: its logs, data and list of processes.
CLUSTER_DIR ?= .cluster
# Jars of Apache Kafka (make kafka-libs); without them the cluster has kfake.
KAFKA_LIBS  ?=

.PHONY: cluster
cluster: need ## Start redis, a Kafka, two logics, two jobs and three comets, and say how to use them.
	$(GO) run ./deploy/cluster start --dir $(CLUSTER_DIR) --kafka-libs "$(KAFKA_LIBS)"

.PHONY: cluster-stop
cluster-stop: ## Stop exactly what make cluster started.
	$(GO) run ./deploy/cluster stop --dir $(CLUSTER_DIR)

# What make chaos does; oort bench chaos --help has all of it.
CHAOS ?= --links 2000 --rooms 50 --rate 550 --pushers 128 --duration 30m

.PHONY: chaos
chaos: need ## Break and mend a cluster as CHAOS says (half an hour), and judge what clients saw.
	$(GO) build -o bin/oort . && $(GO) build -o bin/kfake ./deploy/kfake
	bin/oort bench chaos --kafka-libs "$(KAFKA_LIBS)" $(CHAOS)

.PHONY: kafka-libs
kafka-libs: ## Bring Apache Kafka's jars into KAFKA_LIBS, by Maven; optional.
	deploy/kafka-libs.sh "$(KAFKA_LIBS)"

.PHONY: clean
clean: ## Remove what was built.
	rm -rf oort bin
