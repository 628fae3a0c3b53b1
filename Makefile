# Works with GNU make 3.81 and a BSD userland: recipes are plain sh.

GO       ?= go
FUZZTIME ?= 30s
COUNT    ?= 10
ROUNDS   ?= 7
TORTURE  ?= 2m
CPU      ?= 1,2,4
BENCH    ?= .
CASES    ?= ../shared/cpython-cases.tsv
RECORDED ?= ../shared/differential/cases.jsonl

# Tools, pinned. Each is installed once a version, for the host, into the ignored .bin.
GOFUMPT_VERSION     = v0.12.0
STATICCHECK_VERSION = v0.8.2
GOLANGCI_VERSION    = v2.15.0
GOFUMPT     = .bin/gofumpt-$(GOFUMPT_VERSION)
STATICCHECK = .bin/staticcheck-$(STATICCHECK_VERSION)
GOLANGCI    = .bin/golangci-lint-$(GOLANGCI_VERSION)

# Where everything must at least compile, tests too.
CROSS = darwin/amd64 darwin/arm64 linux/arm64

# The main job's input: the Go toolchain's own source tree.
INPUT ?= $$($(GO) env GOROOT)/src

# Classes of CPython's own tests that are ported whole, but for the rows named with their reason.
comma := ,
empty :=
space := $(empty) $(empty)
REQUIRED = _TestLock _TestSemaphore _TestCondition _TestEvent _TestBarrier _TestProcess _TestSubclassingProcess \
	_TestQueue TestSimpleQueue _TestValue _TestArray _TestHeap _TestSharedCTypes TestResourceTracker _TestPool \
	_TestPoolWorkerErrors _TestPoolWorkerLifetime TestInitializers TestPoolNotLeakOnFailure _TestConnection \
	_TestListener _TestListenerClient _TestPoll _TestPollEintr _TestPicklingConnections TestWait \
	TestInvalidFamily TestInvalidHandle TestIgnoreEINTR TestTimeouts TestNoForkBomb TestCloseFds TestFlags \
	TestStartMethod TestStdinBadfiledescriptor OtherTest _TestFinalize _TestLogging ExecutorDeadlockTest \
	InitializerMixin FailingInitializerMixin ExecutorShutdownTest ThreadPoolShutdownTest ProcessPoolShutdownTest \
	WaitTests ThreadPoolWaitTests AsCompletedTests ExecutorTest ThreadPoolExecutorTest ProcessPoolExecutorTest \
	FutureTests _TestContainers _TestMyManager _TestRemoteManager _TestManagerRestart TestSyncManagerTypes \
	_TestSharedMemory TestNamedResource MultiProcessingCmdLineMixin
REQUIRE = $(subst $(space),$(comma),$(strip $(REQUIRED)))
EXCEPT  =

# A checkout that git refuses to read (another user's, no git installed) builds without a revision.
VCS := $(shell git status --porcelain >/dev/null 2>&1 || echo -buildvcs=false)

# Without the C library, which package net would bring: one file that runs anywhere, and each of its processes starts 0.9 ms sooner.
STATIC = CGO_ENABLED=0

.PHONY: help build run test race portable torture conformance differential fmt lint vet cross fuzz bench benchmarks cover tidy
.PHONY: check check-tidy check-fmt staticcheck

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

build: ## build everything, and the command as ./yunta
	$(GO) build $(VCS) ./...
	$(STATIC) $(GO) build $(VCS) -o yunta ./cmd/yunta

run: ## the main job: four sums, then a word count of the Go source tree
	$(STATIC) $(GO) build $(VCS) -o yunta ./cmd/yunta
	./yunta lab sum
	@echo
	./yunta count "$(INPUT)"

test: ## all tests
	$(GO) test ./...

# Every process under the race detector would wait a second at its end, and the tests start thousands.
race: ## all tests under the race detector, with CPU=1,2,4
	GORACE="atexit_sleep_ms=10 $$GORACE" $(GO) test -race -count=1 -timeout 30m $(if $(CPU),-cpu=$(CPU)) ./...

portable: ## all tests on the portable paths, as other systems take them
	$(GO) test -tags portable -count=1 ./...

torture: ## locks, pipes and pools under SIGKILL for TORTURE=2m each
	YUNTA_TORTURE=$(TORTURE) $(GO) test -count=1 -timeout 0 -run Torture -v ./oslock/... ./ipc/... ./child/... ./supervisor/...

conformance: ## which of CPython's own tests are ported, and which are missing
	$(GO) run ./cmd/conformance -cases "$(CASES)" -require "$(REQUIRE)" -except "$(EXCEPT)"

differential: ## the recorded cases of GNU parallel, flock and sem, by yunta's commands
	@if [ -e "$(RECORDED)" ]; then \
		YUNTA_DIFFERENTIAL="$(abspath $(RECORDED))" $(GO) test -count=1 -run '^TestDifferential' -v ./cmd/yunta; \
	else echo "differential: skipped, $(RECORDED) is not here"; fi

fmt: $(GOFUMPT) ## write formatting
	$(GOFUMPT) -w -modpath yunta cmd supervisor child ipc oslock

vet: ## go vet, both sets of build tags
	$(GO) vet ./...
	$(GO) vet -tags portable ./...

lint: $(GOLANGCI) ## golangci-lint, for Linux and for macOS
	GOOS=linux $(GOLANGCI) run ./...
	GOOS=darwin $(GOLANGCI) run ./...

cross: ## compile everything, tests too, for macOS and Linux on arm64
	@for target in $(CROSS); do \
		os=$${target%/*} arch=$${target#*/}; echo "cross $$os/$$arch"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build $(VCS) ./... || exit 1; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) vet ./... || exit 1; \
	done

fuzz: ## every fuzz target for FUZZTIME=30s
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

bench: ## the same jobs by yunta, by python3 and by the bare machine, ROUNDS=7 each, as ratios
	YUNTA_BENCH_ROUNDS=$(ROUNDS) $(GO) test -run '^$$' -bench '^BenchmarkPeers$$' -benchtime 1x -timeout 1h ./supervisor

benchmarks: ## every other benchmark, or BENCH=those, COUNT=10 runs each
	$(GO) test -run '^$$' -bench '$(BENCH)' -skip '^BenchmarkPeers$$' -benchmem -count $(COUNT) -timeout 2h ./...

cover: ## coverage of all packages by all tests, as coverage.html
	$(GO) test -coverpkg ./... -coverprofile coverage.out ./...
	$(GO) tool cover -html coverage.out -o coverage.html
	$(GO) tool cover -func coverage.out | tail -n 1

tidy: ## go mod tidy
	$(GO) mod tidy

check-tidy:
	$(GO) mod tidy -diff
	$(GO) mod verify

check-fmt: $(GOFUMPT)
	@unformatted=$$($(GOFUMPT) -l -modpath yunta cmd supervisor child ipc oslock); \
	if [ -n "$$unformatted" ]; then echo "not gofumpt'ed (make fmt):"; echo "$$unformatted"; exit 1; fi

staticcheck: $(STATICCHECK)
	$(STATICCHECK) ./...
	GOOS=darwin $(STATICCHECK) ./...

check: ## all that CI runs, in its order
	$(MAKE) check-tidy check-fmt vet staticcheck
	$(MAKE) test
	$(MAKE) race CPU=
	$(MAKE) portable
	$(MAKE) cross
	$(MAKE) conformance

$(GOFUMPT):
	GOOS= GOARCH= GOBIN="$(CURDIR)/.bin" $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv .bin/gofumpt $@

$(STATICCHECK):
	GOOS= GOARCH= GOBIN="$(CURDIR)/.bin" $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv .bin/staticcheck $@

$(GOLANGCI):
	GOOS= GOARCH= GOBIN="$(CURDIR)/.bin" $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .bin/golangci-lint $@
