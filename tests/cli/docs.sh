#!/usr/bin/env bash
# Every command that README.md and docs/ show exists, with every option; README.md names every verb.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

verbs=$(sed -n 's/^VERB(\([a-z]*\),.*/\1/p' "$MRAD_SOURCE/src/cmd/cmd.def")
for verb in $verbs; do
    "$MRAD" help "$verb" >"$dir/$verb.help"
done
"$MRAD" help config >"$dir/config"

check_py "commands in the documentation" "$MRAD_SOURCE" "$dir" <<'PY'
import pathlib
import re
import sys
root, helps = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
options = {p.stem: set(re.findall(r"^  (--[a-z-]+)", p.read_text(), re.M)) for p in helps.glob("*.help")}
keys = set(re.findall(r"^  ([a-z_.]+)", (helps / "config").read_text(), re.M))
command = re.compile(r"(?:^|[\s`;|&(/\"])mrad\s+(?!-)([a-z]+)\b([^`|;&>]*)")
bad, n = [], 0
for path in [p for p in (root / "README.md", *sorted((root / "docs").glob("*.md"))) if p.is_file()]:
    shown, fenced = [], False
    text = path.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            shown.append(line.split(" #")[0])
        else:
            shown += re.findall(r"`([^`]*)`", line)
    for code in shown:
        for verb, rest in command.findall(code):
            if verb == "help":
                word = rest.split()[:1]
                if word and word[0].islower() and word[0] not in {*options, "config"}:
                    bad.append(f"{path.name}: {code}: no verb {word[0]}")
                continue
            n += 1
            if verb not in options:
                bad.append(f"{path.name}: {code}: no verb {verb}")
                continue
            for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", rest):
                if option not in options[verb]:
                    bad.append(f"{path.name}: {code}: {verb} has no option {option}")
            for key in re.findall(r"--set[ =]['\"]?([a-z_.]+)=", rest):
                if key not in keys and not key.startswith("datasets."):
                    bad.append(f"{path.name}: {code}: no configuration key {key}")
print("\n".join(bad) or f"{n} commands in the documentation")
assert not bad and n >= 3
PY

readme=$MRAD_SOURCE/README.md
if [ -f "$readme" ]; then
    for verb in $verbs; do
        grep -qE "(^|[^a-z-])mrad $verb([^a-z-]|\$)|\`$verb( [^\`]*)?\`" "$readme" || fail "README.md does not show mrad $verb"
    done
else
    echo "skipped: verbs in README.md (there is no README.md yet)"
fi
finish
