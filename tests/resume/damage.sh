#!/usr/bin/env bash
# Damaged stores: truncated, empty, foreign and bit-flipped files, deleted artefacts, garbage in hashes/,
# a file in place of a folder, other weights, a changed image. Each is made again or refused by name,
# and the results are those of an undisturbed run, never others.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"features": {"shard_items": 5},'
make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"

# A copy of the undisturbed store under another name.
fresh() { # NAME
    rm -rf "${dir:?}/$1"
    make_job "$1" world "cells fabric" "$more"
    mkdir "$dir/$1"
    cp -rp "$dir/calm/store" "$dir/$1/store"
}

# What is derived from an artefact would hide its damage: take it away.
forget() { # NAME FOLDERS...
    local name=$1 folder
    shift
    for folder in "$@"; do rm -rf "$dir/$name/store/$folder"; done
}

one() { # NAME PATTERN: the first file of the store that matches
    find "$dir/$1/store" -path "$dir/$1/store/$2" | sort | head -n 1
}

spoil() { # HOW FILE
    case $1 in
    truncated) truncate -s -700 "$2" ;;
    half) truncate -s $(($(stat -c %s "$2") / 2)) "$2" ;;
    empty) : >"$2" ;;
    text) echo 'not what it was' >"$2" ;;
    deleted) rm "$2" ;;
    foreign) cp "$(one calm 'scores/*/cells/fabric/*/scores.h5')" "$2" ;;
    features) cp "$(one calm 'features/fabric/*/shard-00001.h5')" "$2" ;;
    bank) cp "$(one calm 'bank/fabric/*/shard-00001.h5')" "$2" ;;
    sister) cp "$(dirname "$2")/shard-00001.h5" "$2" ;;
    row) cp "$(one calm 'metrics/*/cells/fabric/*/class-00001.json')" "$2" ;;
    *) echo "no damage $1" && return 1 ;;
    esac
}

# ---- whole files ----

remade() { # PATTERN "FOLDERS TO FORGET" HOW...
    local pattern=$1 forgotten=$2 how
    shift 2
    for how in "$@"; do
        fresh hurt
        # shellcheck disable=SC2086
        forget hurt $forgotten
        spoil "$how" "$(one hurt "$pattern")"
        demand 0 0 sweep "$dir/hurt.json"
        demand_same hurt calm
        [ "$failed" = 0 ] || { echo "after: $how $pattern" && finish; }
    done
}

remade 'features/cells/*/shard-00000.h5' 'bank scores metrics' truncated half empty text deleted foreign features bank sister
remade 'bank/cells/*/bank.h5' 'scores metrics' truncated empty text deleted foreign bank sister
remade 'scores/*/fabric/cells/*/scores.h5' 'metrics' truncated empty text deleted features foreign
remade 'metrics/*/fabric/cells/*/class-00000.json' '' half empty text deleted row
fresh parts
find "$dir/parts/store/bank" -name bank.h5 -delete
forget parts scores metrics
spoil sister "$(one parts 'bank/cells/*/shard-00000.h5')"
spoil half "$(one parts 'bank/fabric/*/shard-00002.h5')"
demand 0 3 sweep "$dir/parts.json"
demand_same parts calm

# ---- flipped bits: in data the checksums tell, and the message names the file; never other results ----

flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

flips=12
[ -z "${MRAD_SANITIZE-}" ] || flips=4
noticed=0
flipped() { # PATTERN FOLDERS...
    local pattern=$1 i file size at got
    shift
    for ((i = 0; i < flips; i++)); do
        fresh bits
        forget bits "$@"
        file=$(one bits "$pattern")
        size=$(stat -c %s "$file")
        at=$((size * (2 * i + 1) / (2 * flips)))
        flip "$file" "$at"
        got=0
        ranks 0 sweep "$dir/bits.json" || got=$?
        if [ "$got" = 1 ]; then
            grep -qF "$file" "$log" || fail "byte $at of $pattern: the message does not name the file"
            noticed=$((noticed + 1))
            rm -f "$file" # as the user would; a damaged feature shard is gone already
            demand 0 0 sweep "$dir/bits.json"
        elif [ "$got" != 0 ]; then
            fail "byte $at of $pattern: status $got"
        fi
        demand_same_results bits calm
        [ "$failed" = 0 ] || { echo "after: byte $at of $pattern flipped, status $got"; finish; }
    done
}
flipped 'features/cells/*/shard-00000.h5' bank scores metrics
flipped 'bank/cells/*/bank.h5' scores metrics
flipped 'scores/*/fabric/cells/*/scores.h5' metrics
[ "$noticed" -gt 0 ] || fail "no flipped bit was noticed"

# ---- the memory of hashes only saves time ----

for text in '' 'garbage' '1 2 3' '99999999999999999999999999 1 00 x' "$(head -c 3000 "$dir/world/w.safetensors" | tr -d '\000')"; do
    fresh memory
    printf '%s\n' "$text" >"$dir/memory/store/hashes/cells.txt"
    before=$(artefacts memory)
    demand 0 2 sweep "$dir/memory.json"
    demand_same memory calm
    [ "$(artefacts memory)" = "$before" ] || fail "garbage in hashes/: artefacts were made again"
done
# lines that are right but for a digit, of a hash or of a time: the memory's own hash tells
for edit in 's/^\([0-9]* [0-9]* \)[0-9a-f]/\10/' 'y/0123456789/1234567890/' '1d' '$d'; do
    fresh memory
    sed -i "$edit" "$dir/memory/store/hashes/cells.txt"
    demand 0 0 sweep "$dir/memory.json"
    demand_same memory calm
done

# ---- a store that cannot be used ----

for place in . features hashes bank scores metrics; do
    make_job blocked world "cells fabric" "$more"
    rm -rf "${dir:?}/blocked"
    mkdir "$dir/blocked"
    [ "$place" = . ] || mkdir "$dir/blocked/store"
    file=$(realpath -m "$dir/blocked/store/$place")
    : >"$file"
    demand 1 2 sweep "$dir/blocked.json"
    [ "$(grep -c '^mrad: ' "$log")" -le 2 ] || fail "$place: more messages than ranks"
    grep '^mrad: ' "$log" | grep -qF "$file" || fail "no message names $file"
    rm "$file"
    demand 0 2 sweep "$dir/blocked.json"
    demand_same blocked calm
done

# A file that cannot grow, as on a full disk: named, nothing half-written, finished after that.
make_job small world "cells fabric" "$more"
got=0
(ulimit -f 24 && ranks 0 sweep "$dir/small.json") || got=$?
[ "$got" = 1 ] || fail "a file that cannot grow: status $got, wanted 1"
grep '^mrad: ' "$log" | grep -qF "$dir/small/store/features/" || fail "the file that cannot grow is not named"
[ -z "$(find "$dir/small" -name '*.tmp.*')" ] || fail "a file that cannot grow: half-written files"
demand 0 0 sweep "$dir/small.json"
demand_same small calm

# ---- other inputs in the same place ----

# Other weights: nothing of the old store is used, and nothing of it is touched.
fresh other
cp -p "$dir/world/w.safetensors" "$dir/old.safetensors"
draw_weights world 9
before=$(artefacts other)
demand 0 0 sweep "$dir/other.json"
make_job new world "cells fabric" "$more"
demand 0 0 sweep "$dir/new.json"
demand_same_results other new
cmp -s "$dir/new/out/results.json" "$dir/calm/out/results.json" && fail "other weights gave the same results"
[ -z "$(comm -23 <(echo "$before") <(artefacts other))" ] || fail "artefacts of the old weights were touched"
cp -p "$dir/old.safetensors" "$dir/world/w.safetensors"
before=$(artefacts other)
demand 0 0 sweep "$dir/other.json"
demand_same_results other calm
[ "$(artefacts other)" = "$before" ] || fail "the first weights again: artefacts were made again"

# A changed image: its data set is extracted again, the other one is not.
fresh image
image=$dir/world/data/cells/culture/test/good/001.png
cp "$dir/world/data/fabric/leather/test/good/001.png" "$image"
touch -d '2020-01-03' "$image"
before=$(artefacts image | grep -E '^(features|bank)/fabric')
demand 0 0 sweep "$dir/image.json"
make_job changed world "cells fabric" "$more"
demand 0 0 sweep "$dir/changed.json"
demand_same_results image changed
cmp -s "$dir/changed/out/results.json" "$dir/calm/out/results.json" && fail "the changed image changed nothing"
[ "$(artefacts image | grep -E '^(features|bank)/fabric')" = "$before" ] || fail "the other data set was made again"
[ "$(find "$dir/image/store/features/cells" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 2 ] ||
    fail "the changed data set was not extracted again"
finish
