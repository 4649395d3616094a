#!/usr/bin/env bash
# The step of action.yml, and of any other CI: settings come in variables, the report is SARIF.
# Exits as dlpagent does (docs/cli.md); GITHUB_OUTPUT gets the code, GITHUB_STEP_SUMMARY the table.
set -euo pipefail

arguments=(--quiet --fail-on "${DLPAGENT_FAIL_ON:-high}" --accept "${DLPAGENT_ACCEPT:-opaque,protected}")
arguments+=(--format sarif -o "${DLPAGENT_SARIF:-dlpagent.sarif}")
[ -z "${DLPAGENT_BASELINE:-}" ] || arguments+=(--baseline "$DLPAGENT_BASELINE")
[ -z "${DLPAGENT_POLICY:-}" ] || arguments+=(--policy "$DLPAGENT_POLICY")

if [ -n "${DLPAGENT_EVIDENCE_KEY:-}" ]; then
  key=$(mktemp)
  trap 'rm -f "$key"' EXIT
  printf '%s\n' "$DLPAGENT_EVIDENCE_KEY" > "$key"
  arguments+=(--key-file "$key")
fi
unset DLPAGENT_EVIDENCE_KEY

paths=()
while IFS= read -r path; do
  [ -z "$path" ] || paths+=("$path")
done <<< "${DLPAGENT_PATHS:-.}"

code=0
dlpagent scan "${arguments[@]}" -- "${paths[@]}" || code=$?
[ -z "${GITHUB_OUTPUT:-}" ] || echo "exit-code=$code" >> "$GITHUB_OUTPUT"
case $code in
  0) said="Nothing at or above ${DLPAGENT_FAIL_ON:-high}." ;;
  1) said="Findings at or above ${DLPAGENT_FAIL_ON:-high}: see ${DLPAGENT_SARIF:-dlpagent.sarif}." ;;
  3) said="The scan is incomplete: something could not be read." ;;
  *) said="The scan failed." ;;
esac
echo "dlpagent: $said" >&2
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || echo "**dlpagent**: $said" >> "$GITHUB_STEP_SUMMARY"
exit "$code"
