# Thin over meson: everything is built in build/ (and build-asan/, build-fuzz/).
#   JOBS=2 limits what runs at once, CC=clang chooses the compiler of a new build/.

JOBS ?=
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 30
NINJA = ninja $(if $(JOBS),-j$(JOBS)) --quiet

.DEFAULT_GOAL := build
.PHONY: help build setup test test-docker conformance demo demo-down asan asan-build fuzz lint lint-tidy format docs install clean

build: build/build.ninja ## build build/ishizue
	@$(NINJA) -C build

setup: ## install the Debian packages that are missing (as root)
	@scripts/setup

test: ## every test: lint, unit, sanitizers, edge, system; ends with "N passed, N failed"
	@scripts/setup
	@scripts/test

conformance: build ## the outside suites against the edge: llhttp, cache-tests, testssl, slowhttptest (long)
	@scripts/setup build suites
	@scripts/test suites

test-docker: build ## the shop of systems/eshop under plain Docker Compose (long)
	@scripts/setup build docker
	@scripts/test docker

demo: ## from nothing to the shop of systems/eshop running (as root)
	@scripts/demo

demo-down: ## end the shop; its data stays
	@scripts/demo-down

asan: asan-build ## unit tests and fuzz corpus under ASan and UBSan
	@meson test -C build-asan --no-rebuild --print-errorlogs

asan-build: build-asan/build.ninja
	@$(NINJA) -C build-asan

fuzz: build-fuzz/build.ninja ## each fuzzer for FUZZ_SECONDS (30)
	@$(NINJA) -C build-fuzz
	@scripts/fuzz $(FUZZ_SECONDS)

lint: ## format, layers, banned functions, length
	@scripts/lint

lint-tidy: build-asan/build.ninja ## clang-tidy (slow)
	@scripts/lint --tidy

format: ## rewrite src and tests with clang-format
	@find src tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

docs: ## write the parts of docs/ that are made from the source
	@docs/make

install: build ## into DESTDIR and PREFIX (/usr/local)
	@meson configure build -Dprefix='$(PREFIX)' && DESTDIR='$(DESTDIR)' meson install -C build

clean: ## remove everything that was built
	rm -rf build build-asan build-fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# A set-up that ended halfway leaves no build.ninja and is begun again.
build/build.ninja:
	@command -v meson >/dev/null || { echo 'meson is missing: run scripts/setup as root first' >&2; exit 1; }
	@meson setup build >/dev/null || { meson setup build; exit 1; }

build-asan/build.ninja:
	@CC=clang meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false \
	  -Doptimization=1 >/dev/null

build-fuzz/build.ninja:
	@CC=clang meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false \
	  -Doptimization=1 -Dfuzz=true >/dev/null
