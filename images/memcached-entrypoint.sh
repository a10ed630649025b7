#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts the machine's memcached as the official image does: arguments that
# start with a dash are for memcached, anything else is a command of its own.
set -eu

case "${1:-}" in
-* | '') set -- memcached "$@" ;;
esac
exec "$@"
