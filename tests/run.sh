#!/usr/bin/env bash
# Everything a change must pass: set-up, build, checks of the source, tests; then the tests again under
# AddressSanitizer and UBSan. The last line is "N passed, N failed, N skipped"; exit 1 if any failed.
#
#   tests/run.sh [--fast]      --fast leaves the sanitizers out
#
# A case is a test function of a cmocka program, or a script; a failed build or check counts as one.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

presets=(dev asan)
case ${1:-} in
'') ;;
--fast) presets=(dev) ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
if [ "$(id -u)" = 0 ]; then # Open MPI wants to hear twice that root is meant
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

passed=0 failed=0 skips=''

step() { # NAME COMMAND...: count a failure, and say that it was this step
    local name=$1
    shift
    echo "== $name"
    "$@" && return 0
    echo "== $name FAILED"
    failed=$((failed + 1))
    return 1
}

# Cases of ctest's log: "passed N", "failed N", and "skip TEST: WHY" for each skipped one. ctest's verdict
# on a program decides; cmocka's own counts say how many cases that was.
read_log() {
    awk '
        function flush(   n) {
            if (name == "") return
            if (verdict ~ /Passed/) { passed += run ? ok : 1 }
            else if (verdict ~ /Skipped/) { if (!said) print "skip " name ": the whole test" }
            else { passed += ok; failed += bad ? bad : 1; print "fail " name }
            name = ""
        }
        /^[0-9]+\/[0-9]+ Testing: / { flush(); name = $3; verdict = ""; run = ok = bad = said = 0 }
        /^\[==========\] [0-9]+ test\(s\) run/ { run = 1 }
        /^\[==========\] .*: [0-9]+ test\(s\) run/ { run = 1 }
        /^\[  PASSED  \] [0-9]+ test/ { ok += $4 }
        /^\[  FAILED  \] .*[0-9]+ test\(s\)/ { bad += $4 }
        /^skipped: / { print "skip " name ": " substr($0, 10); said = 1 }
        /^Test (Passed|Failed|Skipped|Timeout)|^Test not run|^Test .*[Ee]xception/ { if (name != "") verdict = $0 }
        END { flush(); print "passed " passed + 0; print "failed " failed + 0 }' "$1"
}

run_tests() { # PRESET
    local log=build/$1/Testing/Temporary/LastTest.log status=0 line
    rm -f "$log"
    echo "== test $1"
    ctest --preset "$1" -j2 --schedule-random || status=$?
    local before=$failed
    while IFS= read -r line; do
        case $line in
        "passed "*) passed=$((passed + ${line#passed })) ;;
        "failed "*) failed=$((failed + ${line#failed })) ;;
        "skip "*) skips+="$1 ${line#skip }"$'\n' ;;
        "fail "*) echo "== $1 ${line#fail } FAILED" ;;
        esac
    done < <(if [ -f "$log" ]; then read_log "$log"; fi)
    # no case failed and yet ctest is not content: no tests, or no log
    if [ "$status" != 0 ] && [ "$failed" = "$before" ]; then failed=$((failed + 1)); fi
}

build() { # PRESET
    cmake --preset "$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
    cmake --build --preset "$1"
}

mkdir -p build
if step "set-up" tools/setup.sh --checks; then
    for preset in "${presets[@]}"; do
        step "build $preset" build "$preset" || continue
        [ "$preset" != dev ] || step "checks" tools/check.sh || true
        run_tests "$preset"
    done
fi

skipped=$(grep -c . <<<"$skips" || true)
echo
[ "$skipped" = 0 ] || printf 'skipped:\n%s' "$(sed '/^$/d; s/^/  /' <<<"$skips")"$'\n'
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
