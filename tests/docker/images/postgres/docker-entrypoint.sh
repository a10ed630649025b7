#!/bin/sh
# Gives the data folder to the user postgres, and the rest of the work to that user.
set -eu

case "${1:-}" in
-* | '') set -- postgres "$@" ;;
esac
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p -- "$PGDATA" /var/run/postgresql
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres: {} +
    exec gosu postgres postgres-entrypoint.sh "$@"
fi
exec postgres-entrypoint.sh "$@"
