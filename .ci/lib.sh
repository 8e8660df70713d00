# Settings and functions for the scripts in this directory. Each sources this
# file first.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

test_flags=(-timeout 5m)

export PATH="$PATH:/usr/local/go/bin" GOWORK=off GOTOOLCHAIN=local GOFLAGS="${GOFLAGS:--buildvcs=false}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=()

# The root module comes first, so that its tests run first.
modules=(.)
while IFS= read -r mod; do
	modules+=("$(dirname "$mod")")
done < <(find . -mindepth 2 -name go.mod -not -path '*/testdata/*' -not -path '*/node_modules/*' -not -path './.git/*' | sort)

# step TITLE COMMAND... runs a command or function. If it fails, the script
# continues.
step() {
	local title=$1 start=$SECONDS status
	shift
	printf '\n=== %s\n' "$title"
	set +e
	(set -e; "$@") </dev/null
	status=$?
	set -e
	if ((status == 0)); then
		printf -- '--- ok, %d s\n' $((SECONDS - start))
	else
		printf -- '--- FAILED, exit code %d, %d s\n' "$status" $((SECONDS - start))
		failed+=("$title")
	fi
}

# finish prints which steps failed and ends the script.
finish() {
	echo
	if ((${#failed[@]} > 0)); then
		printf 'FAILED after %d s: ' "$SECONDS"
		printf '%s; ' "${failed[@]}"
		echo
		exit 1
	fi
	echo "All is well, after $SECONDS s."
	exit 0
}

# quietly COMMAND... shows what a command printed only if it fails.
quietly() {
	local log status=0
	log=$(mktemp -p "$tmp")
	"$@" >"$log" 2>&1 || status=$?
	((status == 0)) || cat "$log"
	return $status
}

# in_modules COMMAND... runs a command in each of ${modules[@]}.
in_modules() {
	local dir bad=0
	for dir in "${modules[@]}"; do
		(cd "$dir" && "$@") || { echo "failed in $dir: $*"; bad=1; }
	done
	return $bad
}

# need PROGRAM PACKAGE... installs the packages if the program is missing.
need() {
	local program=$1
	shift
	command -v "$program" >/dev/null && return
	if command -v apt-get >/dev/null; then
		quietly apt-get update
		DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "$@"
	fi
	command -v "$program" >/dev/null || { echo "$program is missing and could not be installed"; return 1; }
}

# tools installs what all scripts need.
tools() {
	command -v go >/dev/null || { echo "go is missing: install it to /usr/local/go"; return 1; }
	go version
	need git git
	need gcc gcc libc6-dev # for the race detector
	in_modules quietly go mod download
}

# library_packages prints the packages of the root module except examples and
# what only tests use.
library_packages() {
	go list ./... | grep -v -e /examples/ -e '/internal/testkit$'
}

# fuzz_targets prints "package target" for each target of the module in the
# current directory.
fuzz_targets() {
	local package list
	for package in $(go list ./...); do
		list=$(go test -list '^Fuzz' "$package") || { echo "$list" >&2; return 1; }
		sed -n "s|^Fuzz|$package &|p" <<<"$list"
	done
}

# fuzz_target TIME PACKAGE TARGET fuzzes one target. On a busy machine Go
# sometimes reports the end of the time as a failure: it prints "context
# deadline exceeded" and no failing input. That is not counted as a failure.
fuzz_target() {
	local log="$tmp/fuzz.log"
	go test -run '^$' -fuzz "^$3\$" -fuzztime "$1" "$2" >"$log" 2>&1 && return
	cat "$log"
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input\|panic\|DATA RACE' "$log"
}

# fuzz_module TIME fuzzes each target of the module in the current directory.
# TIME is for each target.
fuzz_module() {
	local targets package target bad=0
	targets=$(fuzz_targets) || return
	while read -r package target; do
		[[ -n $target ]] || continue # there are none
		echo "$target"
		quietly fuzz_target "$1" "$package" "$target" </dev/null || bad=1
	done <<<"$targets"
	return $bad
}
