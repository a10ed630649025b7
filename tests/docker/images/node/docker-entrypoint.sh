#!/bin/sh
# Options and files are for node, the names of programs are run.
set -e

case "${1:-}" in
-*) set -- node "$@" ;;
*) command -v "${1:-node}" >/dev/null 2>&1 || set -- node "$@" ;;
esac
exec "$@"
