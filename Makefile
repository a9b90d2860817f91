# Sluice. `make demo` and `make test` each work as the first command on a fresh Debian 12 with Rust and root or sudo.

CARGO ?= cargo
# The processors to build for: any x86-64, or CPU=x86-64-v3 for those with AVX2 and BMI (Haswell, Zen and later), which
# has a folder of its own.
CPU ?=
ifneq ($(CPU),)
export RUSTFLAGS := $(RUSTFLAGS) -C target-cpu=$(CPU)
export CARGO_TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)/$(CPU)
endif
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Namespaces need root; the build does not.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -E)
# How tests get root: the runner of each test binary.
TEST_ENV := $(if $(SUDO),CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)_RUNNER="$(SUDO)")

.PHONY: help demo demo-end test test-cpu test-packet-path bench conformance conformance-report lint deb image setup clean

help:
	@echo "make demo          build, then show all three forwarding methods at work (KEEP=1 leaves it running)"
	@echo "make demo-end      end what make demo KEEP=1 left running"
	@echo "make test          every test, network tests in namespaces included"
	@echo "make test-cpu      the packet path's tests, built for x86-64-v3 (CPU=x86-64-v3 builds anything so)"
	@echo "make bench         how fast it is on this machine, in ten minutes (QUICK=1: in one and a half)"
	@echo "make conformance   ask Linux IPVS, in a virtual machine, whether Sluice still does what it does"
	@echo "make conformance-report   put the report of the recordings into docs/conformance.md"
	@echo "make lint          format, clippy and documentation, warnings denied"
	@echo "make deb           the Debian packages, checked by lintian and installed in a Debian of their own"
	@echo "make image         the container image, without pulling any, and the demo with it (SUITE=trixie: Debian 13;"
	@echo "                   WHOLE=1: the Dockerfile's first stage too, which builds the programs)"
	@echo "make setup         install what is missing (the others do so themselves)"
	@echo "make clean         remove what was built and what a killed run left on the machine"

demo:
	@./setup.sh demo
	$(CARGO) build --release --workspace --bins
	$(SUDO) $(TARGET)/release/demo $(if $(KEEP),--keep)

demo-end:
	$(SUDO) $(TARGET)/release/demo --end

test:
	@./setup.sh test
	$(CARGO) build --workspace --bins
	$(TEST_ENV) $(CARGO) nextest run --workspace
	$(CARGO) test --doc --workspace
	@echo "Not run by make test (each is started by something else, as it says):"
	@grep -rn --include='*.rs' '#\[ignore = ' */src */tests tests | sed 's/^\([^:]*\):[0-9]*: *#\[ignore = "\(.*\)"\]/  skipped: \1: \2/' || echo "  nothing"

# The packet path's tests once more, as built for newer processors.
test-cpu:
	@./setup.sh test
	@if grep -qw avx2 /proc/cpuinfo && grep -qw bmi2 /proc/cpuinfo; then \
		$(MAKE) --no-print-directory CPU=x86-64-v3 test-packet-path; \
	else echo "  skipped: x86-64-v3: this processor has no AVX2"; fi

test-packet-path:
	$(TEST_ENV) $(CARGO) nextest run -p wire -p rte-rs -p dataplane

# QUICK=1 measures little and compares with what docs/performance/results.json has; FULL=1 measures all but what is long,
# LONG=1 what is; SCENARIO=name that one only. PAGE=1 puts the figures into docs/performance.md.
bench: EXTENT := $(if $(QUICK),quick,$(if $(FULL),full,$(if $(LONG),long,usual)))
bench:
	@./setup.sh bench
	$(CARGO) build --release --bins -p bench -p dataplane -p control
	$(SUDO) $(TARGET)/release/bench run --extent $(EXTENT) $(if $(SCENARIO),--scenario $(SCENARIO)) \
		$(if $(FULL)$(LONG),--seconds 7200) --json $(TARGET)/bench/$(EXTENT).json \
		$(if $(QUICK),--recorded docs/performance/results.json) \
		$(if $(PAGE),--page docs/performance.md)

# RECORD=1 writes what the reference says into the repository, FILES="udp icmp" asks the scenarios of these files only.
# SEED=N asks scenarios by chance instead, of EVENTS events together.
conformance:
	@./setup.sh conformance
	$(CARGO) build --package lab --bin lab-lockstep
	$(CARGO) test --quiet --package sluice --test conformance -- $(if $(SEED),--random,--ask) \
		$(abspath $(TARGET))/conformance $(abspath $(TARGET))/debug/lab-lockstep \
		$(if $(SEED),$(SEED) $(or $(EVENTS),2000),$(if $(RECORD),record,check) $(FILES))

# Puts the report of the recordings there are into docs/conformance.md, and asks nobody.
conformance-report:
	$(CARGO) test --quiet --package sluice --test conformance -- --report

lint:
	@./setup.sh lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace --exclude sluice

deb:
	@./setup.sh deb
	$(CARGO) build --release --package dataplane --package control --bins
	package/deb.sh release
	package/check-deb.sh

image:
	@./setup.sh image
	$(SUDO) package/image.sh $(or $(SUITE),bookworm) $(if $(WHOLE),whole,$(or $(PROFILE),release))

setup:
	@./setup.sh test

clean:
	@if [ -x $(TARGET)/release/demo ]; then $(SUDO) $(TARGET)/release/demo --end; fi
	rm -rf package/made
	$(CARGO) clean
