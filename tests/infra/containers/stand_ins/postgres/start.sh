#!/bin/bash
# What the official image's entrypoint does, as far as compose.yaml relies on it: root only owns the
# data; an empty folder gets a cluster, by a server that listens on its socket alone; the password
# comes from a file; TCP asks for it. TRIAL_SLOW lets that first server run for some seconds more.
set -Eeuo pipefail
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    chown -R postgres: "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" "$PGDATA"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    sleep "${TRIAL_SLOW:-0}"
    pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
