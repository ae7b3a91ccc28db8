# chartgate: everything that a developer or CI runs. It needs only Go, git and make, and Debian's
# apt-get for the browser of a test; tools are built from the Go module proxy into bin/ on first use.

ROOT := $(CURDIR)
BIN := $(ROOT)/bin

# The same flags for the binary, the tests, vet and the tools, so that they share Go's build cache.
# With empty caches this saves minutes.
export GOFLAGS := -trimpath
export CGO_ENABLED := 0

# The control plane that integration tests start. Set it to use another one.
ASSETS = $(or $(KUBEBUILDER_ASSETS),$(BIN))

.PHONY: all
all: build

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

include hack/tools/tools.mk

.PHONY: build
build: ## Build bin/chartgate
	go build -ldflags=-w -o $(BIN)/chartgate ./cmd/chartgate

# What a build calls itself. A release is built by `make release VERSION=v0.1.0`.
VERSION ?= v0.0.0-g$(shell git rev-parse --short=12 HEAD)
IMAGE_PLATFORMS ?= linux/amd64,linux/arm64

.PHONY: image
image: $(BIN)/ca-certificates.crt ## Build the image as an OCI layout in bin/image; PUSH=registry/repository pushes it
	go run ./hack/image -version=$(VERSION) -platforms=$(IMAGE_PLATFORMS) -bin=$(BIN) $(if $(OUTPUT),-output=$(OUTPUT)) $(if $(PUSH),-push=$(PUSH)) $(if $(PLAIN_HTTP),-plain-http)

.PHONY: release
release: $(BIN)/ca-certificates.crt $(BIN)/cosign3 ## Build, push and sign a release: VERSION=v0.1.0 REGISTRY=ghcr.io/chartgate (docs/release.md)
	go run ./hack/release -version=$(VERSION) -registry=$(REGISTRY) -platforms=$(PLATFORMS) -bin=$(BIN) \
		-output=$(or $(OUTPUT),$(BIN)/release) -sign='$(SIGN)' $(if $(PLAIN_HTTP),-plain-http)

# The chart's version, unless the caller says which.
PLUGIN_VERSION ?= $(shell sed -n 's/^version: //p' charts/chartgate/Chart.yaml)

.PHONY: plugins
plugins: build ## Pack helm's plugins for this platform into bin/plugins (docs/helm-users.md)
	hack/plugins/pack.sh $(BIN)/chartgate $(PLUGIN_VERSION) $$(go env GOOS)-$$(go env GOARCH) $(BIN)/plugins

.PHONY: demo
demo: $(BIN)/chartgate-demo ## Show the gate at work, without a cluster or a network
	$(BIN)/chartgate-demo

# Always built: go knows what has changed.
.PHONY: $(BIN)/chartgate-demo
$(BIN)/chartgate-demo:
	go build -o $@ ./cmd/chartgate-demo

.PHONY: unittest
unittest: $(BIN)/helm-unittest ## Test what the Helm chart renders
	hack/unittest.sh

.PHONY: test
test: build $(BIN)/chartgate-demo tools-test unittest ## Run all tests, against real parts; the pods of test/suites/node need root
	KUBEBUILDER_ASSETS=$(ASSETS) CHARTGATE_BIN=$(BIN) go test -timeout 60m ./...
	$(MAKE) test-contract
	$(MAKE) fuzz

# Those that are there: each name is a suite that test/README.md describes.
E2E = $(addprefix ./,$(wildcard $(addprefix test/suites/,e2e flux argocd gitops node)))

.PHONY: e2e
e2e: build tools-test ## Run only the suites with the real API server, Flux and Argo CD, which `make test` runs too
	KUBEBUILDER_ASSETS=$(ASSETS) CHARTGATE_BIN=$(BIN) go test -timeout 60m $(E2E)

.PHONY: node
node: tools-node $(CONTROL_PLANE) ## Start a Kubernetes node on this machine, for you to use; needs root
	KUBEBUILDER_ASSETS=$(ASSETS) go run ./test/env/node/up

.PHONY: test-contract
test-contract: ## Compare pkg/source with the real types of Argo CD 2 and 3
	cd test/contract/argov2 && go test ./...
	cd test/contract/argov3 && go test ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target; FUZZTIME=10m for a long run
	hack/fuzz.sh

.PHONY: load
load: build ## Drive the real webhook: admissions per second, latency, memory, registry requests
	go run ./test/load

.PHONY: bench
bench: ## Measure verification: time, allocations, registry requests, round trips
	go test -run '^$$' -bench . -benchmem ./pkg/gate ./pkg/webhook ./pkg/inventory

.PHONY: bench-start
bench-start: build tools-test ## Measure the time from the start of the process until it is ready, ten times
	KUBEBUILDER_ASSETS=$(ASSETS) CHARTGATE_BIN=$(BIN) go test -run '^$$' -bench Start -benchtime 10x ./test/suites/e2e

.PHONY: bench-install
bench-install: build tools-test ## Install chartgate on a Kubernetes node ten times, and measure how long its pods start; needs root
	KUBEBUILDER_ASSETS=$(ASSETS) go test -run '^$$' -bench Install -benchtime 10x -timeout 30m ./test/suites/node

.PHONY: bench-credentials
bench-credentials: $(CONTROL_PLANE) ## Measure what an admission reads from a real API server for its login
	KUBEBUILDER_ASSETS=$(ASSETS) go test -run '^$$' -bench Resolve -benchtime 100x ./pkg/credentials

.PHONY: generate
generate: $(BIN)/controller-gen ## Regenerate CRDs, deep copies, RBAC and the chart's copies
	hack/generate.sh

.PHONY: verify
verify: tools-verify ## Check generated files, formatting, linters and layers
	hack/verify.sh

.PHONY: docs
docs: docs-reference docs-site ## Regenerate the reference pages, and build the site into bin/docs

.PHONY: docs-reference
docs-reference: $(BIN)/crd-ref-docs $(BIN)/helm-docs
	hack/docs/generate.sh
	go test ./cmd/chartgate -run '^TestReference$$' -update

# With Node, of which nothing else needs anything. Dead links fail.
.PHONY: docs-site
docs-site: docs/node_modules
	cd docs && npm run build

docs/node_modules: docs/package.json docs/package-lock.json
	cd docs && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: clean
clean: ## Remove bin/ and what npm has installed
	rm -rf $(BIN) docs/node_modules
