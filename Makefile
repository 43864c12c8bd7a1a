# `make build test lint` is what CI runs. Each target works in a fresh clone.

GO ?= go
LINTER := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
TESTFLAGS ?=
FUZZTIME ?= 10s

.PHONY: build test lint fmt bench fuzz deps clean

build: ## the binary, bin/urban-robot
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o bin/urban-robot ./cmd/urban-robot

test: deps ## every test, with the race detector and in random order
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 15m $(TESTFLAGS) ./...

deps: ## what the tests need beside Go: real Socket.IO clients in Python and JavaScript
	.ci/deps

lint: ## formatting, vet, all linters
	@test -z "$$(gofmt -l .)" || { echo "make fmt would change:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(LINTER) run ./...

fmt: ## format everything
	$(LINTER) fmt ./...

bench: ## every benchmark once
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## every fuzz test for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

clean:
	rm -rf bin
