# Everything a developer runs. `make` alone says what there is.

FUZZTIME ?= 10s
BENCH_COUNT ?= 3
VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null)
LINT = go tool -modfile=tools/go.mod golangci-lint
LINT_SDK = cd sdk/go && go tool -modfile=../../tools/go.mod golangci-lint
LINT_MCP = cd examples/mcp && go tool -modfile=../../tools/go.mod golangci-lint

.DEFAULT_GOAL := help
.PHONY: help run cluster build sbom deploy test race lint format fuzz soak golden notice bench bench-cluster

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22

run: ## a server to play with, on http://localhost:8080, with a demo user and app
	go run ./cmd/sojourn demo

cluster: ## three servers behind HAProxy, PostgreSQL with a replica, and Redis, on free loopback ports
	@go build -o bin/cluster ./test/cluster/start
	@exec bin/cluster

build: ## bin/sojourn, one static file
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sojourn ./cmd/sojourn

sbom: build ## bin/sojourn.cdx.json, what the program is made of (CycloneDX)
	go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -output bin/sojourn.cdx.json bin/sojourn

deploy: ## docker-compose.yml and the chart read by Compose's, Helm's and kubeconform's own code, which Go builds first
	go test -tags deploy -count 1 -timeout 40m ./test/deploy

test: ## the whole suite on SQLite and PostgreSQL, in Chromium and with foreign clients
	test/run

race: ## the same, and it must be with the race detector
	REQUIRE_RACE=1 test/run

lint: ## golangci-lint: style, bugs, and who may import whom
	$(LINT) run
	$(LINT_SDK) run
	$(LINT_MCP) run

format: ## gofumpt and gci over the whole tree
	$(LINT) fmt
	$(LINT_SDK) fmt
	$(LINT_MCP) fmt

fuzz: ## each fuzz target for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) test/fuzz

soak: ## what kills servers, databases and connections, twenty times as often as the tests do
	SOJOURN_SOAK=1 go test ./server/faults -count 1 -v -timeout 60m
	SOJOURN_SOAK=1 go test -tags soak ./test/cluster -count 1 -v -timeout 90m
	SOJOURN_SOAK=1 go test ./server -run Toxiproxy -count 1 -v -timeout 60m
	SOJOURN_SOAK=1 go test ./sdk/contract -run 'Contract/.*/(train|crowd)' -count 1 -v -timeout 60m

golden: ## write the golden pages of templates anew; look at the diff
	go test ./templates -update

notice: ## write NOTICE anew: what is linked into the program, and its licences
	go test ./test/notice -update

bench: ## HTTP benchmarks on both databases, BENCH_COUNT (3) times each
	BENCH_COUNT=$(BENCH_COUNT) test/bench

bench-cluster: ## on the cluster: how soon other servers hear of an ending, by Redis and by NOTIFY; one server and three
	go test ./test/cluster -run '^$$' -bench EndedElsewhere -benchtime 100x -timeout 10m
	go test ./test/cluster -run '^$$' -bench Servers -benchtime 5000x -timeout 10m
