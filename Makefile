# Targets: test (what must pass, peers included), check (no peers), exhaustive
# (peers, at length), bench, fuzz, asm, lint.

GO      ?= go
FUZZ    ?= 6s

BENCH     ?= .
BENCHTIME ?= 200ms
COUNT     ?= 6
OUT       ?= new.out
OLD       ?=
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
MODULES := . examples transport/internal/asm

# What the tests run against, from Debian.
PEERS := openssh-client openssh-server openssh-sftp-server openssh-tests dropbear-bin putty-tools ssh-audit git

.PHONY: test check check-library check-examples check-norace \
	interop programs suite exhaustive peers asm bench fuzz lint

# Much of what a part does is to wait, so parts run beside each other, those
# that wait the longest first.
test: peers lint
	$(MAKE) -j4 suite programs check-examples check-library check-norace fuzz

# The tests that need no peer but ssh-keygen, ssh-agent and sshd.
check:
	$(MAKE) -j2 check-examples check-library check-norace

# The longest first, for the second core to have something to do.
check-library:
	$(GO) test -race ./transport/... ./keys/... ./...

check-examples:
	cd examples && $(GO) test -race ./...

# Allocations cannot be counted under the race detector, and what takes long and
# is not concurrent is left out under it.
check-norace:
	$(GO) test ./transport/... ./keys ./kex ./channel .
	$(GO) test -tags purego ./transport/internal/chachapoly ./transport/internal/hmacpair

# Against OpenSSH, Dropbear and PuTTY, and OpenSSH's own regression suite. What
# these depend on is more than a cache of results knows.
interop: programs suite

programs:
	cd examples && $(GO) test -count 1 -tags interop -timeout 40m -parallel 4 -skip '^TestOpenSSHSuite$$' ./interop

suite:
	cd examples && $(GO) test -count 1 -tags interop -timeout 40m -run '^TestOpenSSHSuite$$' ./interop

# That, and what takes minutes more: all of the suite that applies, and what
# each option of an authorized_keys line allows.
exhaustive:
	INTEROP=exhaustive $(MAKE) -j2 interop

# Installs the peers where that is possible and something is missing.
peers:
	@if command -v dpkg >/dev/null && ! dpkg -s $(PEERS) >/dev/null 2>&1; then \
		if [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PEERS) >/dev/null; \
		else \
			echo "missing peers; as root: apt-get install $(PEERS)"; exit 1; \
		fi; \
	fi

# The assembly, by the programs in transport/internal/asm. It is kept; this makes it again.
asm:
	$(GO) generate ./transport/internal/chachapoly ./transport/internal/hmacpair

# A table of medians, and what they are good for. With OLD, the output of an
# earlier run, it says what has changed: make bench BENCH=Seal OUT=old.out;
# then, with the change, make bench BENCH=Seal OLD=old.out
bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) \
		./wire ./kex ./keys/... ./transport/... ./channel . > $(OUT) || { cat $(OUT); exit 1; }
	$(GO) run $(BENCHSTAT) $(OLD) $(OUT)

# Every fuzz target for $(FUZZ), from its seeds on.
fuzz:
	@GO="$(GO)" FUZZ="$(FUZZ)" sh fuzz/run.sh

lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	@$(GO) vet -tags purego ./transport/... && GOARCH=arm64 $(GO) vet ./transport/...
	@GOARCH=386 $(GO) build ./... && GOOS=windows $(GO) vet ./... && GOOS=darwin $(GO) vet ./...
	@for m in $(MODULES); do (cd $$m && $(GO) vet ./...) || exit 1; done
	@cd examples && $(GO) vet -tags interop ./...
