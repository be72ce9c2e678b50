#!/usr/bin/env bash
# A full disk (a file system of few pages, in a mount name space of its own): exit 1, the file and the
# reason are named, nothing half-written stays, and with more room the same command finishes with the
# bytes of an undisturbed run. Skipped where file systems cannot be mounted.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"features": {"shard_items": 4},'
make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"

make_job full world "cells fabric" "$more"
mkdir "$dir/full" "$dir/away"
if ! unshare -m mount -t tmpfs -o size=64k none "$dir/full" >"$log" 2>&1; then
    echo "skipped: full (no file system can be mounted here: $(head -n 1 "$log"))"
    exit 77
fi

export -f ranks
export log dir
for n in 0 3; do
    rm -rf "$dir/away" "$dir/left" && mkdir "$dir/away"
    got=0
    # size in pages: the first shards fit, not all; what was written is looked at before it is gone
    N=$n unshare -m bash -euo pipefail -c '
        mount -t tmpfs -o size=250k none "$dir/full"
        got=0
        ranks "$N" sweep "$dir/full.json" || got=$?
        find "$dir/full" -name "*.tmp.*" >"$dir/left"
        find "$dir/full" -name "shard-*.h5" >>"$dir/away/shards"
        mount -o remount,size=16m "$dir/full"
        exit_of_full=$got got=0
        [ "$exit_of_full" = 1 ] || { echo "a full disk: status $exit_of_full"; exit 1; }
        cp "$log" "$dir/full.log"
        ranks "$N" sweep "$dir/full.json" || got=$?
        cp -r "$dir/full/." "$dir/away"
        exit "$got"
    ' >"$dir/said" 2>&1 || fail "$n ranks: $(cat "$dir/said")"
    [ ! -s "$dir/left" ] || fail "$n ranks: half-written files: $(cat "$dir/left")"
    [ -s "$dir/away/shards" ] || fail "$n ranks: no shard was finished before the disk was full"
    grep '^mrad: ' "$dir/full.log" | grep -qF "$dir/full/" || { cp "$dir/full.log" "$log" && fail "$n ranks: the file is not named"; }
    grep '^mrad: ' "$dir/full.log" | grep -qF 'No space left' || { cp "$dir/full.log" "$log" && fail "$n ranks: the reason is not named"; }
    demand_same away calm
done
finish
