#!/bin/bash
# Stands in for the program under trial: the verbs that a trial uses, with a real MariaDB server
# and plain asynchronous replication, no failover. The gateway is the server's own port.
set -eu
[ "$1" = --config ]; config=$2; verb=$3; shift 3
value() { sed -n "s/^$1=//p" "$config"; }
# A starting server deletes what looks like temporary tables in its tmpdir (10.11.19), those of
# the other servers included: each needs a directory of its own.
export TMPDIR="$(dirname "$config")/tmp"; mkdir -p "$TMPDIR"
me=$(id -un)
if [ "$me" = root ]; then user=--user=root; else user=; fi

make() {
  source=$1 database= sql=; shift
  while [ $# -gt 0 ]; do
    case $1 in
      --name) name=$2 ;; --address) address=$2 ;; --data-dir) data=$2 ;;
      --database-dir) database=$2 ;;
      --set) case $2 in gateway.listen=*) sql=$2 ;; esac ;;
      --witness) shift; continue ;;
    esac
    shift 2
  done
  mkdir -p "$data/run"
  printf '%s\n' "name=$name" "address=$address" "data=$data" "database=$database" \
    "port=${sql##*:}" "source=$source" > "$config"
  [ -n "$database" ] || return 0
  mariadb-install-db $user --datadir="$database" --auth-root-socket-user="$me" \
    --skip-test-db > "$data/install.log" 2>&1 || { cat "$data/install.log" >&2; exit 1; }
}

server() {
  mariadbd --no-defaults $user --datadir="$(value database)" --socket="$(value data)/run/mariadb.sock" \
    --pid-file="$(value data)/run/mariadb.pid" --bind-address="$(value address),127.0.0.1" \
    --port="$(value port)" --server-id="$(value address | tr -dc 0-9 | tail -c 4)" --log-bin=binlog \
    --log-slave-updates --gtid-strict-mode=1 --innodb-buffer-pool-size=32M --innodb-log-file-size=8M \
    --skip-name-resolve --performance-schema=OFF --slave-net-timeout=2 &
}

sql() { mariadb --no-defaults -u "$me" --socket="$(value data)/run/mariadb.sock" -e "$1"; }

follow() {
  sql "STOP SLAVE; CHANGE MASTER TO master_host='$(value source | cut -d' ' -f1)',
    master_port=$(value source | cut -d' ' -f2), master_user='copy', master_password='copy',
    master_use_gtid=slave_pos, master_connect_retry=1, master_heartbeat_period=0.5; START SLAVE"
}

run() {
  trap 'exit 0' TERM
  if [ -z "$(value database)" ]; then
    while true; do sleep 60 & wait; done
  fi
  server
  until sql 'SELECT 1' > /dev/null 2>&1; do sleep 0.05; done
  if [ -n "$(value source)" ]; then
    # A server that was killed while it noted whom it follows cannot read its notes.
    follow || { sql "RESET SLAVE ALL"; follow; }
  else
    sql "SET sql_log_bin=0; CREATE OR REPLACE USER copy IDENTIFIED BY 'copy';
      GRANT REPLICATION SLAVE ON *.* TO copy"
  fi
  echo "$$" > "$(value data)/agent.pid"
  while true; do wait; echo "the server died, starting it again"; server; done
}

node() {
  printf '{"name":"%s","role":"%s","health":"ok","database":{"pid":1,"socket":"%s"}}' \
    "$1" "$2" "$(dirname "$(dirname "$config")")/$1/data/run/mariadb.sock"
}

case $verb in
  init) make "" "$@" ;;
  token) echo "$(value address) $(value port)" ;;
  join) read -r token; shift; make "$token" "$@" ;;
  run) run ;;
  status)
    kill -0 "$(cat "$(value data)/agent.pid")" 2> /dev/null || exit 1
    printf '{"version":1,"epoch":1,"primary":"alpha","in_sync":["bravo"],"protected":true,"nodes":[%s,%s]}' \
      "$(node alpha primary)" "$(node bravo replica)"
    exit 3 ;;
esac
