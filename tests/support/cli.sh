# What the scripts of tests/cli share; they source it. It makes a folder $dir that goes when the script
# ends, and a script goes on after a failed check, so that one run tells all of them. Each ends with `finish`.
#
# $bin is the folder of the programs. $dir/out and $dir/err hold what the last `run` printed.
bin=$(dirname "$MRAD")
dir=$(mktemp -d "${TMPDIR:-/tmp}/mrad-cli-XXXXXX")
trap 'rm -rf "$dir"' EXIT
failed=0
export PYTHONPATH=$MRAD_SOURCE/tests/support PYTHONDONTWRITEBYTECODE=1

fail() { # TEXT
    printf 'FAILED: %s\n' "$1"
    failed=1
}

finish() {
    [ "$failed" = 1 ] || echo "all checks passed"
    exit "$failed"
}

skip() { # WHY: the whole script
    echo "skipped: $(basename "$0" .sh) ($1)"
    exit 77
}

# $python: a Python that has PyTorch, or empty. Debian's packages belong to its own.
find_torch() {
    for python in python3 /usr/bin/python3 ''; do
        [ -z "$python" ] || "$python" -c 'import torch' 2>/dev/null || continue
        return 0
    done
}

# What `run` starts mrad with, or nothing.
launcher=()
two_ranks=(mpirun -n 2 --oversubscribe --bind-to none)

# Run mrad with its input empty; the exit status must be STATUS.
run() { # STATUS ARGS...
    local want=$1 status=0
    shift
    last="mrad $*"
    "${launcher[@]}" "$MRAD" "$@" </dev/null >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] ||
        fail "$last: exit status $status, wanted $want; stderr: $(head -c 600 "$dir/err")"
}

out_has() { # TEXT
    grep -qF -- "$1" "$dir/out" || fail "$last: no \"$1\" in its output: $(head -c 600 "$dir/out")"
}

err_has() { # TEXT
    grep -qF -- "$1" "$dir/err" || fail "$last: no \"$1\" on stderr: $(head -c 600 "$dir/err")"
}

out_lacks() { # TEXT
    ! grep -qF -- "$1" "$dir/out" || fail "$last: \"$1\" in its output: $(head -c 600 "$dir/out")"
}

out_is_empty() {
    [ ! -s "$dir/out" ] || fail "$last: wanted nothing on stdout, got: $(head -c 300 "$dir/out")"
}

# A refusal: the status, one line on stderr that holds TEXT, nothing on stdout.
refused() { # STATUS TEXT ARGS...
    local text=$2
    run "$1" "${@:3}"
    err_has "$text"
    out_is_empty
    [ "$(wc -l <"$dir/err")" = 1 ] || fail "$last: wanted one line on stderr, got: $(cat "$dir/err")"
}

# A check in Python, from standard input; AssertionError fails it. cli.py is at hand.
check_py() { # TEXT ARGS...
    python3 - "${@:2}" || fail "$1"
}

# Four generated data sets (fabric, cells of two classes, parts, scans of three) with 2 normal and 2 anomalous
# pictures a class and their meta.json in $dir/world, and a small model in $dir/model.safetensors.
small_shape=image=56,patch=7,native_grid=8,width=64,layers=2,embed=32,text_width=64,text_layers=1,context=8,vocab=32
make_world() {
    "$bin/mrad-weights" --out "$dir/model.safetensors" --shape "$small_shape"
    "$bin/mrad-synth" --out "$dir/world" --size 64 --normal 2 --anomalous 2 >/dev/null
}

# A job on data sets of the world; further lines of JSON go before its end.
write_job() { # FILE SETS LINES...
    local set sep=''
    {
        printf '{"model": {"weights": "%s/model.safetensors", "image_size": 56}, "run": {"threads": 1},\n' "$dir"
        printf ' "store": "%s/store", "out": "%s/run",\n "datasets": {' "$dir" "$dir"
        for set in $2; do
            printf '%s"%s": {"root": "%s/world/%s"}' "$sep" "$set" "$dir" "$set"
            sep=', '
        done
        printf '},\n %s}\n' "${3:-\"pairs\": \"all\"}"
    } >"$1"
}

# Name, size and time of every artefact of a folder, to see that nothing was made again. hashes/ only
# remembers which files were read, and is written by every run.
listing() { # FOLDER
    (cd "$1" && find . -type f -not -path './hashes/*' -printf '%p %s %T@ %i\n' | sort)
}
