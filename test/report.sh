# Says what a test run exercised, from what it left behind. Sourced by test/run.
#
# The one rule: a line claims only what was seen. A whole run that left something out has failed.

# report prints one line per foreign thing that the tests met.
report() {
  say 'exercised'
  line SQLite "$(passed sqlite)" "tests on $(module modernc.org/sqlite)"
  line PostgreSQL "$(passed postgres)" "tests on $postgres_version, $(count 'connection authorized' postgres.log) connections"
  line Redis "$(passed redis)" "tests on $redis_version"
  line Chromium "$(count started chromium.log)" "starts of $("$chromium" --version 2>/dev/null | head -n 1)"
  line go-oidc "$(packages_using github.com/coreos/go-oidc/v3/oidc)" \
    "test packages, $(module github.com/coreos/go-oidc/v3), $(module golang.org/x/oauth2)"
  line openid-client "$(count . openid-client.log)" "runs on Node $(node --version): $(tail -n 1 "$SOJOURN_TEST_RECORD" 2>/dev/null)"
  line Authlib "$(passed authlib)" "tests on $(test/authlib/.venv/bin/python --version): $(sed -n 's/^\(authlib[^ ]*\).*/\1/p' test/authlib/requirements.txt)"
  line Schemathesis "$(passed schemathesis)" "tests on $(test/schemathesis/.venv/bin/schemathesis --version)"
  line Nimbus "$(passed nimbus)" "tests on $(java --version 2>/dev/null | head -n 1): $(cd test/nimbus/target/lib && echo oauth2-oidc-sdk-*)"
}

# line prints what was met how often, and fails the run where that is never.
line() {
  printf '   %-14s %s %s\n' "$1" "$2" "$3"
  if [[ $2 == 0 ]]; then
    say "$1 was not exercised by any test"
    verdict=1
  fi
}

# skipped names the tests that left something out, and fails the run for them: everything they need is here.
skipped() {
  local names
  names=$(grep '"Action":"skip"' "$scratch/tests.json" | sed -n 's/.*"Package":"\([^"]*\)".*"Test":"\([^"]*\)".*/   \2 in \1/p') || true
  [[ -z $names ]] || { say 'skipped, which no test may be'; printf '%s\n' "$names"; verdict=1; }
}

# summary is the last line: how many tests passed, failed and were skipped, subtests included.
summary() {
  printf '%s passed, %s failed, %s skipped\n' "$(events pass)" "$(events fail)" "$(events skip)"
}

# events counts the tests that ended so; the events of whole packages have no "Test".
events() { grep "\"Action\":\"$1\"" "$scratch/tests.json" | grep -c '"Test":' || true; }

# passed counts the tests that storagetest.Run ran on that database.
passed() { grep '"Action":"pass"' "$scratch/tests.json" | grep -cE "\"Test\":\"[^\"]*/$1[/\"]" || true; }

# count counts the lines of a file in the scratch folder; a file that was never written has none.
count() { grep -c -- "$1" "$scratch/$2" 2>/dev/null || [[ -e $scratch/$2 ]] || echo 0; }

module() { go list -m -f '{{.Path}} {{.Version}}' "$1"; }

# packages_using counts the packages whose tests import a path.
packages_using() {
  go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | grep -cF "$1" || true
}
