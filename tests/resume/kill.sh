#!/usr/bin/env bash
# kill -9 of one rank in each stage, of all ranks, in the middle of a shard, and again during the second
# run: the same command finishes with the bytes of an undisturbed run, makes no finished artefact again
# and leaves no temporary file. MRAD_PAUSE (src/sweep/queue.h) holds a run in a stage.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

# After a kill, mpirun waits some seconds for ranks that will not end by themselves; once is enough.
impatient=(env OMPI_MCA_odls_base_sigkill_timeout=0)

make_world world
more='"features": {"shard_items": 4},'
make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"

begin() { # NAME N STAGE: in the background, held in the stage
    make_job "$1" world "cells fabric" "$more"
    resume_in_background "$@"
}

resume_in_background() { # NAME N STAGE
    local run=()
    [ "$2" = 0 ] || run=(mpirun --oversubscribe --bind-to none -n "$2")
    MRAD_PAUSE=$3 timeout -k 5 60 "${wait_for_ranks[@]}" "${run[@]}" "$MRAD" sweep "$dir/$1.json" \
        >"$dir/$1.log" 2>&1 &
    job=$!
}
wait_for_ranks=("${impatient[@]}")

kill_ranks() { # NAME WHICH: one (the last), first, or all
    local pids turn
    pids=$(ranks_of "/$1.json")
    [ -n "$pids" ] || fail "$1: no rank runs"
    case $2 in
    one) pids=$(tail -n 1 <<<"$pids") ;;
    first) pids=$(head -n 1 <<<"$pids") ;;
    esac
    # shellcheck disable=SC2086
    kill -9 $pids
    if wait "$job" 2>/dev/null; then fail "$1: mpirun took no notice of the kill"; fi
    for ((turn = 0; turn < 500; turn++)); do # mpirun has sent the signals; a busy machine takes its time
        [ -n "$(ranks_of "/$1.json")" ] || return 0
        sleep 0.01
    done
    fail "$1: ranks survived"
}

finish_run() { # NAME N: the same command again
    local before
    before=$(artefacts "$1" | grep -v "^scores/.*/shard-" || true) # those go when they are joined
    demand 0 "$2" sweep "$dir/$1.json"
    demand_same "$1" calm
    [ -z "$(comm -23 <(echo "$before") <(artefacts "$1"))" ] || fail "$1: finished artefacts were made again"
}

which=(one first)
i=0
for stage in extract bank gather score join measure; do
    for n in 0 2 3; do
        # under the sanitizers each stage with one number of ranks
        i=$((i + 1))
        [ -z "${MRAD_SANITIZE-}" ] || [ $((i % 3)) = $((i / 3 % 3)) ] || continue
        name=$stage-$n
        begin "$name" "$n" "$stage"
        await "$name" "$(product "$stage")"
        kill_ranks "$name" "${which[i % 2]}"
        # As left by a rank that was killed while it wrote; one of a rank that lives stays.
        [ "$n" = 2 ] || : >"$(find "$dir/$name/store/features" -name 'shard-*.h5' | head -n 1).tmp.$(hostname).$job.0"
        finish_run "$name" "$n"
    done
done

# All ranks at once, and again during the second run, and with other numbers of ranks. Once without
# haste: the ranks that are left get SIGTERM first and may try to leave in order.
begin all 3 score
await all "$(product score)"
kill_ranks all all
wait_for_ranks=()
resume_in_background all 2 measure
await all "$(product measure)"
kill_ranks all one
wait_for_ranks=("${impatient[@]}")
finish_run all 4

# In the middle of a shard: the temporary file of a dead rank goes with the next run, and the file of a
# process that lives is left alone.
make_job middle world "cells fabric" '"features": {"shard_items": 14},'
make_job whole world "cells fabric" '"features": {"shard_items": 14},'
demand 0 0 sweep "$dir/whole.json"
caught=0
for try in 1 2 3 4 5 6; do
    rm -rf "$dir/middle"
    "$MRAD" sweep "$dir/middle.json" >"$log" 2>&1 &
    job=$!
    while kill -0 "$job" 2>/dev/null; do
        set -- "$dir"/middle/store/features/*/*/*.tmp.*
        [ ! -e "$1" ] || break
    done
    kill -9 "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
    set -- "$dir"/middle/store/features/*/*/*.tmp.*
    [ ! -e "$1" ] || { caught=1 && break; }
done
[ "$caught" = 1 ] || fail "no run could be killed in the middle of a shard in $try tries"
living=${1%.tmp.*}.tmp.$(hostname).$$.0
: >"$living"
demand 0 0 sweep "$dir/middle.json"
[ -e "$living" ] || fail "the file of a living process was removed"
rm -f "$living"
demand_same middle whole
finish
