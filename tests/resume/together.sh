#!/usr/bin/env bash
# Two sweeps at the same time on one store, with overlapping grids: each ends with the bytes it has alone, and
# each product is made once. One that hangs holds up only what it has; one that was killed nothing. Two
# sweeps do not write to one folder.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"variants": ["mrad-tf", "mrad-ft"], "train": {"batch": 7, "ft": {"epochs": 1}}, "features": {"shard_items": 5},'
make_job calm-a world "fabric cells" "$more"
make_job calm-b world "fabric parts" "$more"
demand 0 2 sweep "$dir/calm-a.json"
demand 0 2 sweep "$dir/calm-b.json"

# Job NAME-a or NAME-b, with the store that both have.
pair() { # NAME
    make_job "$1-a" world "fabric cells" "$more"
    make_job "$1-b" world "fabric parts" "$more"
    sed -i "s|\"store\": .*|\"store\": \"$dir/$1/store\",|" "$dir/$1-a.json" "$dir/$1-b.json"
}

begin() { # NAME N: in the background; its number is in $job
    local run=()
    [ "$2" = 1 ] || run=(mpirun --oversubscribe --bind-to none -n "$2")
    OMPI_MCA_odls_base_sigkill_timeout=0 timeout -k 5 120 "${run[@]}" "$MRAD" sweep "$dir/$1.json" >"$dir/$1.log" 2>&1 &
    job=$!
}

end() { # NAME JOB
    wait "$2" || fail "$1 ended with $?: $(tail -n 5 "$dir/$1.log")"
}

# Wait until the status of a run says so, a minute or more.
await_status() { # NAME PATTERN
    local turn
    for ((turn = 0; turn < 1200; turn++)); do
        "$MRAD" status "$dir/$1/out" >"$log" 2>&1 || true
        ! grep -q "$2" "$log" || return 0
        sleep 0.05
    done
    fail "$1: status never says $2: $(cat "$log")"
}

# The two calm stores together hold what the pair's store must hold.
demand_union() { # NAME
    local made
    rm -rf "$dir/union"
    cp -r "$dir/calm-a/store" "$dir/union"
    cp -r "$dir/calm-b/store/." "$dir/union"
    diff -rq -x hashes "$dir/$1/store" "$dir/union" >"$log" || fail "$1: the store differs from those of each alone"
    demand_same_results "$1-a" calm-a
    demand_same_results "$1-b" calm-b
    made=$(made_once "$1-a" "$1-b") || fail "$1: a product was made twice"
    echo "$1: $made products made"
    [ "$made" -ge 60 ] || fail "$1: only $made products in the journals"
}

for n in 1 2; do
    pair "both-$n"
    begin "both-$n-a" "$n"
    first=$job
    begin "both-$n-b" "$n"
    end "both-$n-b" "$job"
    end "both-$n-a" "$first"
    demand_union "both-$n"
done

# a hangs in the middle of a shard: b does all else, and says what it waits for; then a is killed.
pair hung
MRAD_FAULT=extract:sync:1:hang begin hung-a 1
first=$job
for ((i = 0; i < 600; i++)); do
    [ -z "$(find "$dir/hung/store/features/fabric" -name 'shard-*.tmp.*' 2>/dev/null)" ] || break
    sleep 0.05
done
begin hung-b 2
await_status hung-b 'being made by another run'
pkill -9 -P "$first" || true
wait "$first" 2>/dev/null && fail "a run that was killed ended well"
end hung-b "$job"
begin hung-a 1
end hung-a "$job"
demand_union hung

# A rank that hangs in a stage whose speed is known by then is told as slow, while the other has nothing to do.
make_job slow world "fabric cells" '"features": {"shard_items": 1},'
# the pause leaves rank 1 time to get its first shard, however late it comes
MRAD_PAUSE=extract:0.2 MRAD_FAULT=extract:sync:1:hang:rank=1 begin slow 2
first=$job
await_status slow "^  slow: rank 1, $dir/slow/store/features/.*shard-.*expected"
grep -q '^  last run: [1-9][0-9]* made' "$log" || fail "status does not tell what the journal has: $(cat "$log")"
pkill -9 -P "$first" || true
wait "$first" 2>/dev/null && fail "a run that was killed ended well"
demand 0 2 sweep "$dir/slow.json"
made_once slow >"$log" || fail "slow: a product was made twice"

# One folder, one sweep.
pair same
MRAD_PAUSE=extract:60 begin same-a 1
first=$job
for ((i = 0; i < 600; i++)); do
    [ ! -e "$dir/same-a/out/sweep.lock" ] || break
    sleep 0.05
done
demand 1 0 sweep "$dir/same-a.json"
grep -q "another sweep writes there ($(hostname), process" "$log" || fail "another reason: $(cat "$log")"
pkill -TERM -P "$first" || true
wait "$first" || true
demand 0 0 sweep "$dir/same-a.json"
demand_same_results same-a calm-a
finish
