#!/usr/bin/env bash
# A sweep of 4 ranks is killed 20 times at random moments, one rank or the launcher with all ranks, and the
# same command is run again each time, on what the kill left. A run that gets through has the bytes of an
# undisturbed run, and the next one begins with nothing. No finished product is made again: each keeps its
# inode and time from run to run, and the journal has it made once. MRAD_KILL_SEED: other moments.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$MRAD_SOURCE/tests/support/mpi.sh"
export OMPI_MCA_odls_base_sigkill_timeout=0

seed=${MRAD_KILL_SEED-1}
RANDOM=$seed
kills=20
[ -z "${MRAD_SANITIZE-}" ] || kills=5

make_world world
more='"variants": ["mrad-tf", "mrad-ft"],
  "train": {"batch": 3, "checkpoint_steps": 1, "ft": {"epochs": 2}}, "features": {"shard_items": 4},'
make_job calm world "cells fabric" "$more"
make_job hurt world "cells fabric" "$more"
begin=${EPOCHREALTIME/./}
demand 0 4 sweep "$dir/calm.json"
usual=$((${EPOCHREALTIME/./} - begin)) # microseconds

# Kill after a random share of the usual time. Sets struck: whether the run was still there.
disturb() {
    local job pids wait_us=$((usual / 5 + RANDOM * (usual / 2) / 32768)) which=$((RANDOM % 2)) victim=$((RANDOM % 4))
    mpirun --oversubscribe --bind-to none -n 4 "$MRAD" sweep "$dir/hurt.json" >"$log" 2>&1 &
    job=$!
    sleep "$((wait_us / 1000000)).$(printf %06d $((wait_us % 1000000)))"
    mapfile -t pids < <(pgrep -P "$job" || true)
    struck=0
    if [ "$which" = 0 ] && [ "${#pids[@]}" -gt "$victim" ]; then
        kill -9 "${pids[victim]}" 2>/dev/null && struck=1
    elif [ "$which" = 1 ]; then
        kill -9 "$job" "${pids[@]}" 2>/dev/null && struck=1
    fi
    got=0
    wait "$job" 2>/dev/null || got=$?
    for pid in "${pids[@]}"; do
        while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done # its files must be a dead process's
    done
}

# What there was after the last kill must be there still, untouched, but for scores that were joined.
kept=""
demand_kept() {
    local gone
    gone=$(comm -23 <(grep -v '^scores/.*/shard-' <<<"$kept") <(artefacts hurt 2>/dev/null)) || true
    [ -z "${gone//$'\n'/}" ] || fail "finished products were made again: $gone"
    [ ! -e "$dir/hurt/out/journal.jsonl" ] || made=$(made_once hurt) || fail "the journal has products twice"
}

done_by_kill=0 # runs that a kill ended
in_work=0      # of these, with something in the store
got_through=0
tries=0
while [ "$done_by_kill" -lt "$kills" ] && [ "$tries" -lt $((4 * kills)) ]; do
    tries=$((tries + 1))
    disturb
    demand_kept
    kept=$(artefacts hurt 2>/dev/null) || true
    if [ "$got" = 0 ]; then
        demand_same hurt calm
        rm -rf "$dir/hurt"
        kept=""
        got_through=$((got_through + 1))
    elif [ "$struck" = 1 ]; then
        done_by_kill=$((done_by_kill + 1))
        [ ! -e "$dir/hurt/store/features" ] || in_work=$((in_work + 1))
    else
        fail "a run that was not killed ended with $got"
    fi
    [ "$failed" = 0 ] || { echo "seed $seed, try $tries" && finish; }
done
[ "$done_by_kill" = "$kills" ] || fail "only $done_by_kill runs of $tries were killed, wanted $kills"
[ "$in_work" -ge $((kills / 4)) ] || fail "only $in_work of $kills kills came while there was work"
demand 0 4 sweep "$dir/hurt.json"
demand_same hurt calm
demand_kept
echo "the last journal: $made products made, each once"
echo "seed $seed: $done_by_kill kills, $in_work of them with work done, $got_through runs between them got through"
finish
