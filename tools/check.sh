#!/usr/bin/env bash
# Everything that can be said about the source without running it: one line a check, exit 1 if any fails.
#
#   tools/check.sh
#
# Needs clang-format, clang-tidy and python3 (tools/setup.sh --checks). What passed is remembered in
# build/check, so a second run is quick.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

build=build/dev
status=0

# Run a check and print its one line; what it prints goes below when it fails.
check() { # NAME COMMAND...
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "$name: OK"
    else
        echo "$name: FAILED"
        [ -z "$out" ] || sed 's/^/    /' <<<"$out"
        status=1
    fi
}

c_files() { # FOLDERS...: all C files, each followed by a zero byte
    find "$@" -name '*.[ch]' -type f -print0 | sort -z
}

check_format() {
    c_files src tests tools | xargs -0r clang-format --dry-run -Werror
}

check_length() {
    local long
    long=$(find src tests tools -type f -exec grep -Ic '' /dev/null {} + | awk -F: '$NF > 600 { print }')
    [ -z "$long" ] || { echo "more than 600 lines: $long"; return 1; }
}

# A name says where a function lives, so two files may not share one.
check_names() {
    local twice
    twice=$(find src -type f ! -name README.md -exec basename {} \; | sort | uniq -d)
    [ -z "$twice" ] || { echo "more than one file is called: $twice"; return 1; }
}

# Calls that overflow, keep hidden state or cannot report an error.
check_banned() {
    local names='strcpy|sprintf|strcat|gets|strtok|localtime|gmtime|asctime|atoi|atof|rand'
    # the other way round for grep's status: 1 means that nothing was found
    ! grep -rnE --include='*.[ch]' "(^|[^A-Za-z0-9_])($names) ?\\(" src tests tools
}

# A test that no list knows never runs. Test files are test_*.c and *.sh and must be known to ctest;
# anything else in tests/KIND is data and must be named by a test beside it.
check_orphans() {
    local known file kind name bad=0
    known=$(ctest --test-dir "$build" -N)
    while IFS= read -r file; do
        kind=$(basename "$(dirname "$file")")
        name=$(basename "$file")
        case $name in
        test_*.c) name=${name#test_} name=${name%.c} ;;
        *.sh) name=${name%.sh} ;;
        *)
            find "tests/$kind" -maxdepth 1 \( -name 'test_*.c' -o -name '*.sh' \) ! -name "$name" \
                -exec grep -qF -- "$name" {} \; -print -quit | grep -q . ||
                { echo "$file: no test in tests/$kind names it"; bad=1; }
            continue
            ;;
        esac
        grep -qE ": $kind/$name\$" <<<"$known" || { echo "$file: not registered with ctest"; bad=1; }
    done < <(find tests -mindepth 2 -maxdepth 2 -type f -not -path 'tests/support/*' -not -path 'tests/fixtures/*' | sort)
    for file in tests/support/*.c; do
        grep -qF "support/$(basename "$file")" tests/CMakeLists.txt ||
            { echo "$file: not in tests/CMakeLists.txt"; bad=1; }
    done
    return "$bad"
}

# compile_commands.json and ctest's list must know files that were added since the last build
log=$(cmake --preset dev 2>&1) || { echo "$log"; echo "configure: FAILED"; exit 1; }

check "format" check_format
check "tidy" tools/check_units tidy "$build"
check "headers compile alone" tools/check_units headers "$build"
check "layers" tools/check_layers
check "file length" check_length
check "file names" check_names
check "banned calls" check_banned
check "orphan tests" check_orphans
exit "$status"
