# Installs what `make test` needs and does not find. Only as root on Debian; elsewhere the caller says what is missing.
# Sourced by test/run, test/bench and .ci/run.

# install_missing takes the Debian packages that lack, and installs them without letting any of them start a server:
# policy-rc.d is Debian's own way to say so, and ours is gone again afterwards.
install_missing() {
  local policy=/usr/sbin/policy-rc.d ours=false status=0
  [[ $# -gt 0 && $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 0
  say "installing $*"
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 0755 "$policy" && ours=true
  fi
  apt_quietly update && apt_quietly install --no-install-recommends "$@" || status=$?
  [[ $ours == false ]] || rm -f "$policy"
  return "$status"
}

# apt_quietly keeps apt's chatter for the case that it fails.
apt_quietly() {
  local out
  out=$(DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@" 2>&1) || { printf '%s\n' "$out" >&2; return 1; }
}

# lacking_services prints the Debian packages of the servers, the proxy, the browser and the scanner that are not here.
lacking_services() {
  postgres_bin >/dev/null || echo postgresql
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null || echo redis-server
  chromium_path >/dev/null || echo chromium
  command -v zbarimg >/dev/null || echo zbar-tools
  command -v mvn >/dev/null || echo maven default-jdk-headless # sdk/kotlin, test/nimbus
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv # test/authlib, test/schemathesis
  nginx_path >/dev/null || echo nginx-light # sojourn gate
  pgbouncer_path >/dev/null || echo pgbouncer
  haproxy_path >/dev/null || echo haproxy # test/cluster
  command -v promtool >/dev/null || echo prometheus # it has promtool, which tests the rules of deploy/prometheus
}

# nginx_path prints the proxy that sojourn gate is driven by: on PATH, or where Debian puts it, out of the way of users.
nginx_path() { command -v nginx || { [[ -x /usr/sbin/nginx ]] && echo /usr/sbin/nginx; }; }

# haproxy_path prints the balancer of test/cluster, which Debian puts in the same place.
haproxy_path() { command -v haproxy || { [[ -x /usr/sbin/haproxy ]] && echo /usr/sbin/haproxy; }; }

# pgbouncer_path prints the pooler that storage is driven through.
pgbouncer_path() { command -v pgbouncer || { [[ -x /usr/sbin/pgbouncer ]] && echo /usr/sbin/pgbouncer; }; }

# chromium_path prints the browser that the pages are tested with.
chromium_path() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
