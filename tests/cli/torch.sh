#!/usr/bin/env bash
# Files of tensor/torch.h, written by write_torch.c, are read by torch.load and hold what was written
# (tools/golden/check_torch.py). Written again, they have the same bytes.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

mkdir "$dir/a" "$dir/b"
"$bin/tests/write_torch" "$dir/a" || fail "write_torch failed"
TZ=Asia/Tokyo "$bin/tests/write_torch" "$dir/b" || fail "write_torch failed in Tokyo"
diff -r "$dir/a" "$dir/b" || fail "written again, the files differ"
[ "$failed" = 0 ] || finish
find_torch
[ -n "$python" ] || skip "needs PyTorch; tools/setup.sh --python"
"$python" "$MRAD_SOURCE/tools/golden/check_torch.py" "$dir/a" || fail "torch.load reads something else"
finish
