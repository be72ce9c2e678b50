#!/usr/bin/env bash
# The matrix of faults (docs/DEVELOPMENT.md): every stage x point of a commit x kind, 1 to 4 ranks. A sweep
# in which the fault strikes ends with the right status, names the file and leaves nothing half-written
# (unless it was killed); the same command without the fault ends with 0 and the bytes of an undisturbed
# run, no file more and no file less. Prints a line a case.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # what is tested is the order of calls, not the disk's patience
. "$MRAD_SOURCE/tests/support/mpi.sh"
export OMPI_MCA_odls_base_sigkill_timeout=0 # after a kill, mpirun need not wait for the others

stages=(hashes extract bank gather train checkpoint score join measure results)
points=(before write sync rename after)
kinds=(abort kill hang enospc eio)
trouble=() # POINT:KIND
for point in "${points[@]}"; do
    for kind in "${kinds[@]}"; do trouble+=("$point:$kind"); done
done
trouble+=(write:short after:flip)

make_world world
make_job calm world "cells fabric" '"variants": ["mrad-tf", "mrad-ft"],
  "train": {"batch": 3, "checkpoint_steps": 1, "ft": {"epochs": 1}}, "features": {"shard_items": 5},'
demand 0 0 sweep "$dir/calm.json"

# A fault that nobody can have meant is refused, by all ranks and in one voice.
for n in 0 2; do
    MRAD_FAULT=extract:sync:1:eio,extrakt:sync:1:eio demand 2 "$n" sweep "$dir/calm.json"
    [ "$(grep -c '^mrad: .*MRAD_FAULT=.*no stage "extrakt", wanted one of extract, bank' "$log")" = 1 ] ||
        fail "$n ranks: a wrong MRAD_FAULT is not explained once"
done

# Stores in which everything before a stage is done.
for stage in "${stages[@]}"; do
    sed "s,$dir/calm/,$dir/until-$stage/," "$dir/calm.json" >"$dir/until-$stage.json"
    mkdir "$dir/until-$stage"
    MRAD_FAULT=$stage:before:1:abort demand 1 0 sweep "$dir/until-$stage.json"
done
sed "s,$dir/calm/,$dir/case/," "$dir/calm.json" >"$dir/case.json"
[ "$failed" = 0 ] || finish

# What must follow a flipped bit, so that the run does not end well with a damaged file that nobody reads.
follow() { # STAGE
    case $1 in
    gather | train) echo ',score:before:1:abort' ;;
    checkpoint) echo ',checkpoint:before:2:abort' ;;
    esac
}

wanted_status() { # STAGE KIND
    case $1:$2 in
    *:kill) echo 137 ;;
    results:hang) echo 0 ;; # nothing is left to do after it
    *:hang) echo 75 ;;
    hashes:flip | results:flip) echo 0 ;; # nobody reads these in the same run
    *) echo 1 ;;
    esac
}

# Run the case; SIGTERM ends a hang. Sets got.
run_faulty() { # RANKS FAULT KIND
    local run=() job tries launcher
    [ "$1" = 1 ] || run=(mpirun --oversubscribe --bind-to none -n "$1")
    got=0
    MRAD_FAULT=$2 timeout -k 5 30 "${run[@]}" "$MRAD" sweep "$dir/case.json" >"$log" 2>&1 &
    job=$!
    if [ "$3" = hang ]; then
        for ((tries = 0; tries < 2000; tries++)); do
            ! grep -q 'fault: warning: ' "$log" || break
            sleep 0.01
        done
        # timeout's child is the program, or mpirun, whose children are the ranks
        launcher=$job
        [ "$1" = 1 ] || launcher=$(pgrep -P "$job")
        pkill -TERM -P "$launcher" || true
    fi
    wait "$job" 2>/dev/null || got=$?
}

cases=0
problem() { fail "$stage:$point:$nth:$kind, $ranks ranks: $*"; }

try() { # STAGE POINT KIND RANKS NTH
    stage=$1 point=$2 kind=$3 ranks=$4 nth=$5
    local want same=yes fault=$1:$2:$5:$3
    [ "$kind" != flip ] || fault+=$(follow "$stage")
    rm -rf "$dir/case"
    cp -al "$dir/until-$stage" "$dir/case" # files are replaced, never changed in place
    rm -rf "$dir/case/out"
    want=$(wanted_status "$stage" "$kind")
    run_faulty "$ranks" "$fault" "$kind"
    grep -q "fault: warning: $stage:$point:$nth:$kind at " "$log" || problem "the fault did not strike"
    [ "$got" = "$want" ] || problem "status $got, wanted $want"
    [ "$want" != 1 ] || grep '^mrad: ' "$log" | grep -qF "$dir/case/" || problem "no message names the file"
    [ "$kind" = kill ] || [ -z "$(find "$dir/case" -name '*.tmp.*')" ] || problem "half-written files stay"
    ranks "$((ranks == 1 ? 0 : ranks))" sweep "$dir/case.json" || problem "the second run ended with $?"
    diff -rq -x status.json -x journal.jsonl -x run.json -x used.json "$dir/calm" "$dir/case" >"$log" || {
        same=no
        problem "other files than those of an undisturbed run"
    }
    printf '%-10s %-6s %-6s %5s %6s  %s\n' "$stage" "$point" "$kind" "$ranks" "$got" "$same"
    cases=$((cases + 1))
}

# Of the 27 troubles of a stage six meet more than one rank, others in each stage.
ranks_for() { # STAGE_NO TROUBLE_NO
    local at=$((($2 + 3 * $1) % 27))
    case $at in 0 | 13) echo 2 ;; 5 | 17) echo 3 ;; 9 | 22) echo 4 ;; *) echo 1 ;; esac
}

printf '%-10s %-6s %-6s %5s %6s  %s\n' stage point kind ranks status same
for ((s = 0; s < ${#stages[@]}; s++)); do
    for ((t = 0; t < ${#trouble[@]}; t++)); do
        # a sample under the sanitizers: all 27 troubles, each in one stage or two
        [ -z "${MRAD_SANITIZE-}" ] || [ $(((t + s) % 6)) = 0 ] || continue
        IFS=: read -r point kind <<<"${trouble[t]}"
        n=$(ranks_for "$s" "$t")
        # alone every other time later, when something of the stage is done
        try "${stages[s]}" "$point" "$kind" "$n" $((n == 1 && t % 2 && t < 26 ? 2 : 1))
    done
done
echo "$cases cases"
finish
