#!/bin/sh
# Gives the data folder to the user redis, and the rest of the work to that user.
set -eu

case "${1:-}" in
-* | *.conf | '') set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis: {} +
    exec gosu redis redis-entrypoint.sh "$@"
fi
exec redis-entrypoint.sh "$@"
