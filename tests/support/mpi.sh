# mpi.sh - what the scripts of tests/mpi and tests/resume share; sourced, not run.
#
# Makes $dir, a temporary folder that goes with the script together with every process that works in
# it, and small worlds in it: weights, generated data sets, job files. A sweep's output is kept in
# $dir/log and shown only when something fails. Open MPI's own files stay in $dir too.
# The script that sources this has said "set -euo pipefail".

dir=$(mktemp -d)
mkdir "$dir/mpi"
export TMPDIR="$dir/mpi" OMPI_MCA_orte_tmpdir_base="$dir/mpi" OMPI_MCA_btl_vader_backing_directory="$dir/mpi"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMP_NUM_THREADS=1
log=$dir/log
failed=0

cleanup() {
    local pid
    for pid in $(ranks_of ''); do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT

fail() { # TEXT...: say it, show the last log once, go on; the script ends with "finish"
    echo "$*"
    [ ! -s "$log" ] || sed 's/^/    /' "$log" | tail -n 30
    : >"$log"
    failed=1
}

finish() { exit "$failed"; }

# Processes of the program that work in $dir; mpirun and timeout are not among them.
ranks_of() { # TEXT that the command line contains
    local file line words
    for file in /proc/[0-9]*/cmdline; do
        { mapfile -d '' -t words <"$file"; } 2>/dev/null || continue # it may have ended meanwhile
        line=${words[*]}
        case $line in "$MRAD $dir/"* | "$MRAD "*" $dir/"*) ;; *) continue ;; esac
        case $line in *"$1"*) ;; *) continue ;; esac
        file=${file%/cmdline}
        echo "${file#/proc/}"
    done
}

# Run the program as N ranks; a hang ends with status 124. N = 0: without a launcher.
ranks() { # N ARGUMENTS...: into $log, returns the status
    local n=$1 run=()
    shift
    [ "$n" = 0 ] || run=(mpirun --oversubscribe --bind-to none -n "$n")
    timeout -k 5 60 "${run[@]}" "$MRAD" "$@" >"$log" 2>&1
}

# The same, and the status must be as given.
demand() { # STATUS N ARGUMENTS...
    local want=$1 got=0
    shift
    ranks "$@" || got=$?
    [ "$got" = "$want" ] || fail "$*: ended with $got, wanted $want"
}

# Every rank's own status: mpirun tells one of them only.
cat >"$dir/each.sh" <<'END'
#!/usr/bin/env bash
status=0
trap : TERM INT USR1 # wait for the program, whatever the launcher sends
"$@" &
pid=$!
while :; do
    wait "$pid" && status=0 || status=$?
    kill -0 "$pid" 2>/dev/null || break
done
echo "$status" >"$STATUS_DIR/$OMPI_COMM_WORLD_RANK"
END

demand_each() { # STATUS N ARGUMENTS...
    local want=$1 n=$2
    shift 2
    rm -rf "$dir/status"
    mkdir "$dir/status"
    STATUS_DIR=$dir/status timeout -k 5 60 mpirun --oversubscribe --bind-to none -n "$n" \
        bash "$dir/each.sh" "$MRAD" "$@" >"$log" 2>&1 || fail "$*: mpirun ended with $?"
    demand_statuses "$want" "$n" "$*"
}

demand_statuses() { # STATUS N TEXT
    local rank got
    for ((rank = 0; rank < $2; rank++)); do
        got=$(cat "$dir/status/$rank" 2>/dev/null) || got=nothing
        [ "$got" = "$1" ] || fail "$3: rank $rank of $2 ended with $got, wanted $1"
    done
}

# The weights of a world.
draw_weights() { # NAME SEED [SHAPE]
    local shape=image=56,patch=14,native_grid=4,width=64,layers=2,text_width=64
    "$(dirname "$MRAD")/mrad-weights" --out "$dir/$1/w.safetensors" --seed "$2" \
        --shape "$shape,${3-embed=16,text_layers=1,context=8,vocab=24}" >"$log"
}

# $dir/NAME: four data sets of 14 or 21 images in classes, and weights. Files get an old time, so that
# what the store remembers of them does not depend on the test's speed.
make_world() { # NAME [embed=E,text_layers=L,context=P,vocab=V]
    local world=$dir/$1
    mkdir "$world"
    draw_weights "$1" 1 "${@:2}"
    "$(dirname "$MRAD")/mrad-synth" --out "$world/data" --seed 3 --size 64 --normal 3 --anomalous 4 >"$log"
    find "$world" -type f -exec touch -d '2020-01-01' {} +
}

# The same with a text tower that mrad-clip can train prompts of, for the token ids of the golden.
make_prompted_world() { # NAME
    make_world "$1" embed=64,text_layers=3,context=24,vocab=128
}

# A job over data sets of a world: store and results lie in $dir/NAME, so that runs compare with
# diff -r. More keys come as `"key": value,` lines.
make_job() { # NAME WORLD "SETS" [MORE]
    local name=$1 world=$dir/$2 set entries=''
    for set in $3; do
        entries+="${entries:+, }\"$set\": {\"root\": \"$world/data/$set\"}"
    done
    cat >"$dir/$name.json" <<END
{
  "model": {"weights": "$world/w.safetensors", "image_size": 56},
  ${4-}
  "datasets": {$entries},
  "pairs": "all",
  "run": {"threads": 1},
  "store": "$dir/$name/store",
  "out": "$dir/$name/out"
}
END
}

# Store and results of a run must be those of another, byte for byte.
demand_same() { # NAME OTHER
    local file
    diff -rq "$dir/$1/store" "$dir/$2/store" >"$log" || fail "the stores of $1 and $2 differ"
    demand_same_results "$1" "$2"
    for file in $(find "$dir/$1" -name '*.tmp.*' -o -name '*.lock'); do fail "left behind: $file"; done
}

# The journals of these runs, taken together: their lines are whole but for those that a kill cut, and no
# product was made twice. Prints how many were made.
made_once() { # NAMES
    local name journals=()
    for name in "$@"; do journals+=("$dir/$name/out/journal.jsonl"); done
    python3 - "${journals[@]}" <<'END'
import collections
import json
import sys
made = collections.Counter()
for path in sys.argv[1:]:
    runs = torn = 0
    with open(path, encoding="utf-8") as f:
        for line in f:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                torn += 1
                continue
            runs += "run" in entry
            if "item" not in entry:
                continue
            assert entry["outcome"] in ("made", "found", "failed", "made again"), entry
            assert entry["attempt"] >= 1 and entry["end"] >= entry["start"] > 1.7e9 and entry["host"], entry
            assert (entry["bytes"] > 0) == (entry["outcome"] == "made"), entry
            made[entry["item"]] += entry["outcome"] == "made"
    assert torn < runs, f"{path}: {torn} torn lines of {runs} runs"
twice = [item for item, n in made.items() if n > 1]
assert not twice, f"made twice: {twice[:5]}"
print(sum(made.values()))
END
}

demand_same_results() { # NAME OTHER
    local file
    for file in results.json rows.jsonl results.csv results.md; do
        diff "$dir/$1/out/$file" "$dir/$2/out/$file" >"$log" 2>&1 || fail "$file of $1 and $2 differ"
    done
}

# Inode and time of every artefact: what is not made again keeps both. A checkpoint is none: training may
# go on beside any other stage, and replaces it.
artefacts() { # NAME
    find "$dir/$1/store" -type f ! -path '*/hashes/*' ! -name '*.tmp.*' ! -name '*.lock' ! -name checkpoint.h5 -printf '%P %i %T@\n' | sort
}

# What a stage leaves in the store.
product() { # STAGE
    case $1 in
    extract) echo 'features/*/shard-*.h5' ;;
    bank) echo 'bank/*/shard-*.h5' ;;
    gather) echo 'bank/*/bank.h5' ;;
    score) echo 'scores/*/shard-*.h5' ;;
    join) echo 'scores/*/scores.h5' ;;
    measure) echo 'metrics/*/class-*.json' ;;
    *) echo "no stage $1" && return 1 ;;
    esac
}

await() { # NAME PATTERN: a file of the store; 60 s at most
    local i
    for ((i = 0; i < 6000; i++)); do
        ! find "$dir/$1/store" -path "$dir/$1/store/$2" 2>/dev/null | grep -q . || return 0
        sleep 0.01
    done
    cp "$dir/$1.log" "$log"
    fail "$1: no $2 within 60 s"
}
