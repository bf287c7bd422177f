#!/bin/bash
# Runs Autobahn|Testsuite, the public conformance suite for WebSocket, against
# `oort bench echo` on each engine, without the sections on compression (12, 13),
# which oort does not offer. Ends with 0 if no case failed on any engine, and
# leaves a report that a browser shows.
#
# The suite is a program for Python 2.7, which must be there; the suite itself is
# installed by that Python's pip into bin/autobahn, once.
#
#   PYTHON2   the interpreter. Default: the first of python2.7, python2, pypy and
#             those of pyenv that is a Python 2.7.
#   ENGINES   engines to test. Default: all of this platform.
#   CASES     cases to run, as "1.* 6.4.*". Default: all.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=autobahntestsuite==25.10.1
home=$PWD/bin/autobahn

fail() {
	echo "autobahn.sh: $*" >&2
	exit 1
}

is_python27() {
	"$1" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null
}

find_python() {
	local each
	for each in ${PYTHON2:-python2.7 python2 pypy "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python}; do
		if is_python27 "$each"; then
			echo "$each"
			return
		fi
	done
	fail "no Python 2.7 found (tried ${PYTHON2:-python2.7, python2, pypy, pyenv}). The suite needs one:" \
		"for example 'pyenv install 2.7.18', or name yours by PYTHON2=/path/to/python2.7"
}

install_suite() {
	[[ -e $home/$suite.done ]] && return
	"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip ('$python -m ensurepip' may bring it)"
	echo "autobahn.sh: installing $suite for $python into bin/autobahn"
	rm -rf "$home/site"
	"$python" -W ignore -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
		--target "$home/site" "$suite" 2>"$home/install.log" || {
		tail -n 20 "$home/install.log" >&2
		fail "pip could not install $suite and what it needs"
	}
	touch "$home/$suite.done"
}

# start_servers starts an echo server for each engine and lists them in the
# suite's own format. Their output stays open until the end, when they write a
# last line.
start_servers() {
	local engine line address output
	for engine in "$@"; do
		mkfifo "$home/$engine.ready"
		"$home/oort" bench echo --engine "$engine" --listen 127.0.0.1:0 >"$home/$engine.ready" 2>"$home/$engine.log" &
		pids+=($!)
		exec {output}<"$home/$engine.ready"
		read -r line <&"$output" || fail "engine $engine: $(cat "$home/$engine.log")"
		address=${line##* ws=}
		servers+="${servers:+,}{\"agent\": \"$engine\", \"url\": \"ws://${address%% *}\"}"
	done
}

stop_servers() {
	((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
	wait
}

# run_suite lets the suite go through all of it, a case at a time. Its packages
# are not on the interpreter's path but beside it, so they are added by hand.
run_suite() {
	(cd "$home" && "$python" -W ignore -c "
import site, sys
site.addsitedir('site')
sys.argv = ['wstest', '-m', 'fuzzingclient', '-s', 'spec.json']
from autobahntestsuite.wstest import run
run()") >"$home/suite.log" 2>&1 || {
		tail -n 20 "$home/suite.log" >&2
		fail "the suite itself failed"
	}
}

# judge counts the outcomes. A case has two: what came back, and how the
# connection ended.
judge() {
	"$python" - "$home/report/index.json" "$@" <<-'PYTHON'
		import collections, json, sys
		outcomes, bad = json.load(open(sys.argv[1])), 0
		for engine in sys.argv[2:]:
		    cases = outcomes.get(engine, {})
		    count = collections.Counter()
		    for name, case in sorted(cases.items()):
		        worst = [b for b in (case["behavior"], case["behaviorClose"]) if b not in ("OK", "NON-STRICT", "INFORMATIONAL")]
		        if worst:
		            print("  %s: case %s: %s, close %s" % (engine, name, case["behavior"], case["behaviorClose"]))
		        count[worst and "FAILED" or case["behavior"]] += 1
		    bad += count["FAILED"] or not cases
		    print("%-16s %d cases: %d OK, %d non-strict, %d informational, %d failed" % (
		        engine, len(cases), count["OK"], count["NON-STRICT"], count["INFORMATIONAL"], count["FAILED"]))
		sys.exit(bad != 0)
	PYTHON
}

mkdir -p "$home"
python=$(find_python)
install_suite
${GO:-go} build -o "$home/oort" .
read -ra engines <<<"${ENGINES:-$("$home/oort" bench echo --list | tr '\n' ' ')}"
read -ra cases <<<"${CASES:-*}"

rm -rf "$home/report" "$home"/*.ready
pids=() servers=
trap stop_servers EXIT
start_servers "${engines[@]}"
cat >"$home/spec.json" <<-JSON
	{
	  "outdir": "report",
	  "servers": [$servers],
	  "cases": [$(printf '"%s",' "${cases[@]}" | sed 's/,$//')],
	  "exclude-cases": ["12.*", "13.*"],
	  "exclude-agent-cases": {}
	}
JSON
echo "autobahn.sh: engines ${engines[*]}; progress in bin/autobahn/suite.log"
run_suite
judge "${engines[@]}"
echo "autobahn.sh: bin/autobahn/report/index.html shows each case"
