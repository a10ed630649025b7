#!/bin/sh
# Runs the scripts of /docker-entrypoint.d in the order of their names, then the command.
set -eu

if [ "$1" = nginx ]; then
    for file in /docker-entrypoint.d/*; do
        case "$file" in
        *.envsh) [ ! -x "$file" ] || . "$file" ;;
        *.sh) [ ! -x "$file" ] || "$file" ;;
        esac
    done
fi
exec "$@"
