#!/bin/sh
# Runs every fuzz target of both modules, each for $FUZZ, eight at a time.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go} FUZZ=${FUZZ:-6s}
export GO FUZZ
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints a line for each target: folder, test program, target, import path.
list() {
	for module in . examples; do
		packages=$("$GO" -C "$module" list -f '{{.ImportPath}} {{.Dir}}' ./...)
		echo "$packages" | while read -r pkg dir; do
			targets=$(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
			[ -n "$targets" ] || continue
			program=$work/$(echo "$pkg" | tr / _)
			"$GO" -C "$module" test -c -vet off -fuzz . -o "$program" "$pkg"
			for target in $targets; do
				echo "$dir $program $target $pkg"
			done
		done
	done
}
list >"$work/targets"
[ -s "$work/targets" ]
FUZZCACHE=$("$GO" env GOCACHE)/fuzz
export FUZZCACHE

# Minimizing what is merely new would take the time of finding what is wrong.
# The fuzzer sometimes reports its own deadline as a failure; without a failing
# input that is none.
xargs -n 4 -P 8 sh -c '
	log=$2.$3.log
	cd "$1"
	if ! "$2" -test.run "^\$" -test.fuzz "^$3\$" -test.fuzztime "$FUZZ" -test.fuzzminimizetime 10x \
		-test.parallel 1 -test.fuzzcachedir "$FUZZCACHE/$4" >"$log" 2>&1; then
		if ! grep -q "context deadline exceeded" "$log" || grep -qE "Failing input|panic:" "$log"; then
			echo "FAIL $4 $3"
			cat "$log"
			exit 255
		fi
	fi
	echo "ok   $4 $3: $(grep -o "execs: [0-9]*" "$log" | tail -n 1)"' fuzz <"$work/targets"
