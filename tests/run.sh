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

# "passed N", "failed N", "fail TEST", and "skip TEST: WHY" for each skipped case. The verdict on a test
# comes from what ctest printed (its log calls a skipped test passed), the cases from what the tests printed.
read_results() { # CTEST_OUTPUT CTEST_LOG
    awk '
        NR == FNR {
            if (match($0, /^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: /)) {
                split(substr($0, RLENGTH + 1), word, " ")
                verdict[word[1]] = /\*\*\*Skipped/ ? "skip" : / Passed / ? "pass" : "fail"
            }
            next
        }
        /^[0-9]+\/[0-9]+ Testing: / { name = $3 }
        /^\[==========\] .*[0-9]+ test\(s\) run\./ { is_program[name] = 1 }
        /^\[  PASSED  \] [0-9]+ test/ { ok[name] += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { bad[name] += $4 }
        /^skipped: / { told[name] = 1; print "skip " name ": " substr($0, 10) }
        END {
            for (name in verdict) {
                if (verdict[name] == "skip" && !told[name]) print "skip " name ": it does not say why"
                if (verdict[name] == "fail") print "fail " name
                if (verdict[name] != "skip") passed += is_program[name] ? ok[name] : verdict[name] == "pass"
                if (verdict[name] == "fail") failed += bad[name] ? bad[name] : 1
            }
            print "passed " passed + 0
            print "failed " failed + 0
        }' "$1" "$2"
}

run_tests() { # PRESET
    local log=build/$1/Testing/Temporary/LastTest.log out=build/$1.ctest status=0 before=$failed line
    rm -f "$log"
    echo "== test $1"
    ctest --preset "$1" -j2 --schedule-random | tee "$out" || status=$?
    [ -f "$log" ] || log=/dev/null
    while IFS= read -r line; do
        case $line in
        "passed "*) passed=$((passed + ${line#passed })) ;;
        "failed "*) failed=$((failed + ${line#failed })) ;;
        "skip "*) skips+="  $1 ${line#skip }"$'\n' ;;
        "fail "*) echo "== $1 ${line#fail } FAILED" ;;
        esac
    done < <(read_results "$out" "$log" | sort)
    # no case failed and yet ctest is not content: there are no tests, or it could not run
    if [ "$status" != 0 ] && [ "$failed" = "$before" ]; then failed=$((failed + 1)); fi
}

build() { # PRESET
    cmake --preset "$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
    cmake --build --preset "$1"
}

mkdir -p build
if step "set-up" tools/setup.sh --checks; then
    # where there are no packages of Slurm to be had, its tests are skipped and say so
    tools/setup.sh --slurm >build/slurm.log 2>&1 || echo "no packages of Slurm: see build/slurm.log"
    for preset in "${presets[@]}"; do
        step "build $preset" build "$preset" || continue
        [ "$preset" != dev ] || step "checks" tools/check.sh || true
        run_tests "$preset"
    done
fi

skipped=$(grep -c . <<<"$skips" || true) # 0 is an error to grep
echo
[ "$skipped" = 0 ] || printf 'skipped:\n%s' "$skips"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
