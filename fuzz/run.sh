#!/bin/sh
# Runs every fuzz target of the module, each for $FUZZ, two at a time.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go} FUZZ=${FUZZ:-10s}
export GO FUZZ

list() {
	for pkg in $("$GO" list ./...); do
		dir=$("$GO" list -f '{{.Dir}}' "$pkg")
		grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed "s|^func |$pkg |" || true
	done
}

# Minimizing what is merely new would take the time of finding what is wrong.
# The fuzzer sometimes reports its own deadline as a failure; without a failing
# input that is none.
list | xargs -n 2 -P 2 sh -c '
	log=$(mktemp)
	trap "rm -f $log" EXIT
	if ! "$GO" test -run "^\$" -fuzz "^$1\$" -fuzztime "$FUZZ" -fuzzminimizetime 10x -parallel 1 "$0" >"$log" 2>&1; then
		if ! grep -q "context deadline exceeded" "$log" || grep -qE "Failing input|panic:" "$log"; then
			echo "FAIL $0 $1"
			cat "$log"
			exit 255
		fi
	fi
	echo "ok   $0 $1: $(grep -o "execs: [0-9]*" "$log" | tail -n 1)"'
