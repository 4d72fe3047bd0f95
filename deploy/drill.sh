#!/usr/bin/env bash
# A backup, and the drill that shows that it can be restored: docs/operations.md, Backups. What is restored is another database;
# nothing of the one that serves is touched.
#
#   deploy/drill.sh backup  DIR             dumps SOJOURN_DATABASE into DIR, with the time when it began
#   deploy/drill.sh restore DIR DATABASE    restores it into the empty DATABASE (postgres://…) and brings its schema up to date
#   deploy/drill.sh replay  DIR DATABASE JOURNAL…  ends there what the journals say was ended since, and tells what lives
#
# It takes SOJOURN_SECRET (or _FILE) and SOJOURN_ISSUER as the servers do, and finds sojourn as $SOJOURN or on $PATH. The secret is
# in no backup: keep it elsewhere. PostgreSQL 15's pg_dump, pg_restore and psql must be as new as the server.
set -euo pipefail

fail() { echo "drill: $*" >&2; exit 1; }

# at runs sojourn on the restored database, apart from whatever serves: without its Redis, its replica and its journal.
at() {
  local database=$1
  shift
  env -u SOJOURN_REDIS -u SOJOURN_REDIS_FILE -u SOJOURN_DATABASE_READ -u SOJOURN_DATABASE_READ_FILE -u SOJOURN_DATABASE_FILE \
    -u SOJOURN_ENDING_JOURNAL SOJOURN_DATABASE="$database" "${SOJOURN:-sojourn}" "$@"
}

backup() {
  [[ ${SOJOURN_DATABASE:-} == postgres* ]] || fail "SOJOURN_DATABASE must be postgres://…"
  mkdir -p "$1"
  chmod 700 "$1"
  [[ ! -e $1/sojourn.dump ]] || fail "$1 holds a backup already"
  psql "$SOJOURN_DATABASE" -XAtc "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')" >"$1/since.part"
  pg_dump --format custom --no-owner --no-privileges --file "$1/sojourn.dump.part" "$SOJOURN_DATABASE"
  pg_restore --list "$1/sojourn.dump.part" >/dev/null || fail "the dump can't be read"
  mv "$1/since.part" "$1/since"
  mv "$1/sojourn.dump.part" "$1/sojourn.dump"
  echo "backup of $(cat "$1/since"): $(du -h "$1/sojourn.dump" | cut -f1) in $1"
}

restore() {
  [[ -e $1/sojourn.dump && -e $1/since ]] || fail "$1 holds no backup"
  [[ $2 == postgres* ]] || fail "DATABASE must be postgres://…"
  [[ $2 != "${SOJOURN_DATABASE:-}" ]] || fail "DATABASE is the one that serves: restore into another"
  local tables
  tables=$(psql "$2" -XAtc "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()")
  [[ $tables == 0 ]] || fail "DATABASE is not empty"
  pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname "$2" "$1/sojourn.dump"
  at "$2" migrate
  at "$2" key list >/dev/null || fail "the signing keys can't be opened: is it the secret of then?"
  echo "restored as of $(cat "$1/since"): $(psql "$2" -XAtc 'SELECT count(*) FROM sessions WHERE ended_at IS NULL') sessions that nobody ended"
}

replay() {
  local since journal
  since=$(cat "$1/since")
  for journal in "${@:3}"; do
    at "$2" session end --from "$journal" --since "$since"
  done
  echo "after the journals: $(psql "$2" -XAtc 'SELECT count(*) FROM sessions WHERE ended_at IS NULL') sessions that nobody ended"
}

case "${1:-} $#" in
  "backup 2") backup "$2" ;;
  "restore 3") restore "$2" "$3" ;;
  "replay "*) (($# >= 4)) || fail "replay DIR DATABASE JOURNAL…"; replay "${@:2}" ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 1 ;;
esac
