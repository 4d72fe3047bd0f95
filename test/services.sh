# Finds and starts throwaway PostgreSQL and Redis on free loopback ports. Sourced by test/run and test/bench.
#
# The one rule: whatever starts here is stopped by stop_services, by its process id, and everything it wrote
# lives under $scratch, which goes with it.

started=()

# say prints one line about what the scripts themselves do.
say() { printf '== %s\n' "$*"; }

# missing ends the run with one line: what is not there and how to get it.
missing() {
  printf 'missing: %s\n' "$*" >&2
  exit 1
}

# begin makes the scratch folder and promises the clean-up, however the script ends.
begin() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-test.XXXXXX")
  chmod 0755 "$scratch" # PostgreSQL runs as another user when we are root
  trap stop_services EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# stop_services stops the latest first: the tests before the databases they talk to.
stop_services() {
  local status=$? i
  trap - EXIT
  trap '' HUP INT TERM # a second Ctrl-C must not leave anything behind
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    stop "${started[i]}"
  done
  rm -rf "$scratch"
  exit "$status"
}

# stop ends one process group that spawn started: politely, and after ten seconds not.
stop() {
  local pid=$1 tries=0
  kill -INT -- "-$pid" 2>/dev/null || return 0
  while kill -0 -- "-$pid" 2>/dev/null && ((tries++ < 100)); do sleep 0.1; done
  kill -KILL -- "-$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# spawn runs a command in a process group of its own, so that Ctrl-C reaches the script first and the order of
# stopping stays ours. The id is left in $spawned.
spawn() {
  set -m
  "$@" </dev/null &
  spawned=$!
  set +m
  started+=("$spawned")
}

# free_port prints a loopback port that nobody listens on, below the range that the kernel hands out itself.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# answers waits up to 20 seconds for a command to succeed while process $1 is alive.
answers() {
  local pid=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null && ((tries++ < 200)) || return 1
    sleep 0.1
  done
}

# postgres_bin prints the folder of PostgreSQL's server programs: on PATH, or where Debian hides them (newest first).
postgres_bin() {
  local dir
  if command -v initdb >/dev/null; then
    dirname "$(command -v initdb)"
    return
  fi
  for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
    if [[ -x $dir/initdb ]]; then
      echo "$dir"
      return
    fi
  done
  return 1
}

# start_postgres starts a server of our own and exports SOJOURN_TEST_POSTGRES (superuser, database postgres).
# Arguments are further settings of the server, such as fsync=off.
start_postgres() {
  local bin data=$scratch/postgres port as=() settings=() setting
  bin=$(postgres_bin) || missing 'PostgreSQL server programs; on Debian: apt-get install postgresql'
  mkdir "$data"
  if [[ $(id -u) == 0 ]]; then # PostgreSQL refuses to run as root
    local user=nobody
    id postgres >/dev/null 2>&1 && user=postgres
    chown "$user" "$data"
    as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
  fi
  for setting in max_connections=300 shared_buffers=256MB log_connections=on "unix_socket_directories=$data" "$@"; do
    settings+=(-c "$setting")
  done
  (cd / && ${as[@]+"${as[@]}"} "$bin/initdb" -D "$data/db" -U postgres -A trust -E UTF8 --no-locale --no-sync) \
    >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log" >&2; return 1; }
  for _ in 1 2 3; do
    port=$(free_port)
    spawn ${as[@]+"${as[@]}"} "$bin/postgres" -D "$data/db" -h 127.0.0.1 -p "$port" "${settings[@]}" \
      >"$scratch/postgres.log" 2>&1
    if answers "$spawned" grep -q 'ready to accept connections' "$scratch/postgres.log"; then
      export SOJOURN_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
      postgres_version=$("$bin/postgres" --version | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')
      return
    fi
  done
  cat "$scratch/postgres.log" >&2
  return 1
}

# start_redis starts a Redis that keeps nothing and exports SOJOURN_TEST_REDIS.
start_redis() {
  local port
  command -v redis-server >/dev/null || missing 'redis-server; on Debian: apt-get install redis-server'
  for _ in 1 2 3; do
    port=$(free_port)
    spawn redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" \
      >"$scratch/redis.log" 2>&1
    if answers "$spawned" redis-cli -p "$port" ping; then
      export SOJOURN_TEST_REDIS="redis://127.0.0.1:$port"
      redis_version=$(redis-server --version | sed 's/.* v=\([0-9.]*\).*/\1/')
      return
    fi
  done
  cat "$scratch/redis.log" >&2
  return 1
}
