#!/usr/bin/env bash
# mrad-synth: the same pixels everywhere, MVTec's layout, a mask for each anomalous picture.
set -euo pipefail

synth=$(dirname "$MRAD")/mrad-synth
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

fail() {
    echo "$1"
    failed=1
}

# The hash is of names and pixels; it changes only when the pictures are changed on purpose.
want="96 files, pixels 1bac0156149a88389269d57bd5cdc821"
got=$("$synth" --out "$dir/a b" --seed 5 --size 72 --normal 2 --anomalous 5 | tail -n1)
[ "$got" = "$want" ] || fail "printed \"$got\", wanted \"$want\""

again=$("$synth" --out "$dir/c" --seed 5 --size 72 --normal 2 --anomalous 5)
[ "$again" = "$got" ] || fail "a second run printed \"$again\""
diff -r "$dir/a b" "$dir/c" || fail "a second run wrote other files"

other=$("$synth" --out "$dir/d" --seed 6 --size 72 --normal 2 --anomalous 5)
[ "$other" != "$got" ] || fail "another seed gave the same pixels"

layout=$(cd "$dir/a b" && find weave/plain -type f | sort)
wanted='weave/plain/ground_truth/hole/000_mask.png
weave/plain/ground_truth/hole/001_mask.png
weave/plain/ground_truth/hole/002_mask.png
weave/plain/ground_truth/stain/000_mask.png
weave/plain/ground_truth/stain/001_mask.png
weave/plain/test/good/000.png
weave/plain/test/good/001.png
weave/plain/test/hole/000.png
weave/plain/test/hole/001.png
weave/plain/test/hole/002.png
weave/plain/test/stain/000.png
weave/plain/test/stain/001.png'
[ "$layout" = "$wanted" ] || fail "the layout of weave/plain is
$layout"

# An empty mask would compress to a few bytes more than its headers; none may be empty.
empty=$(cd "$dir/a b" && find . -name '*_mask.png' -size -100c)
[ -z "$empty" ] || fail "empty masks: $empty"

status=0
"$synth" --out "$dir/e" --size 9 2>"$dir/err" || status=$?
[ "$status" = 2 ] || fail "--size 9 ended with $status, wanted 2"
exit "$failed"
