#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts the machine's Redis as the official image does: arguments that start
# with a dash or name a configuration file are for redis-server, anything else
# is a command of its own. The instance's network is private, so protected mode,
# which would refuse every other instance, is off unless the arguments say otherwise.
set -eu

case "${1:-}" in
-* | *.conf | '') set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
    shift
    case " $* " in
    *" --protected-mode "*) ;;
    *)
        # The name of a configuration file must stay the first argument.
        set -- "$@" --protected-mode no
        ;;
    esac
    set -- redis-server "$@"
fi
exec "$@"
