#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts the machine's PostgreSQL by the contract of the official image:
#   POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB   and each with _FILE
#   PGDATA, POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR, POSTGRES_HOST_AUTH_METHOD
#   /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz,sql.xz,sql.zst}   once, on an empty data folder
#   arguments after `postgres` go to the server
# Runs as the instance's user; never as root.
set -eu
. /usr/local/lib/database-setup.sh

# value_of <name> <default>
value_of() {
    eval "value=\$(given $1 \"\${$1-}\" \"\${$1_FILE-}\")"
    printf '%s' "${value:-$2}"
}

wants_help_or_version() {
    for argument in "$@"; do
        case "$argument" in
        -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

# Only local connections, while the folder is being set up: nobody meets half a database.
start_private() {
    PGUSER=$user pg_ctl --pgdata="$PGDATA" --wait --silent \
        --options="-c listen_addresses='' -p ${PGPORT:-5432}" start >&2
}

stop_private() {
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait --silent stop >&2
}

run_sql() {
    psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password --username="$user" --dbname="$1" --quiet
}

make_cluster() {
    if [ -z "$password" ] && [ "$method" != trust ]; then
        say "error: the database is new and has no password for its superuser"
        say "set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE), for example in .env;"
        say "POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one"
        exit 1
    fi
    password_file=$(mktemp)
    trap 'rm -f -- "$password_file"' EXIT
    printf '%s\n' "$password" >"$password_file"
    mkdir -- "$new"
    set -- --pgdata="$new" --username="$user"
    if [ -n "$password" ]; then
        set -- "$@" --pwfile="$password_file"
    fi
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
        set -- "$@" --waldir="$POSTGRES_INITDB_WALDIR"
    fi
    # Split into words, with quotes, as the official image does.
    eval "initdb \"\$@\" ${POSTGRES_INITDB_ARGS-}" >&2
    rm -f -- "$password_file"
    trap - EXIT
    find "$new" -mindepth 1 -maxdepth 1 -exec mv -t "$PGDATA" -- {} +
    printf '\nhost all all all %s\n' "${method:-$(postgres -C password_encryption)}" \
        >>"$PGDATA/pg_hba.conf"
}

# The folder <new> is there from before the first file of a database until the last script has run:
# what was interrupted in between, by a stop or a crash, would be half a database.
forget_interrupted() {
    [ -d "$new" ] || return 0
    say "the set-up of '$PGDATA' was interrupted; it begins again"
    find "$PGDATA" -mindepth 1 ! -path "$new" -delete
    rmdir -- "$new"
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
        find "$POSTGRES_INITDB_WALDIR" -mindepth 1 -delete
    fi
}

make_database() {
    if [ "$database" != postgres ]; then
        # psql quotes the name: it may be anything.
        printf '%s\n' 'SELECT format($$CREATE DATABASE %I$$, :'"'db'"') \gexec' |
            psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password --username="$user" \
                --dbname=postgres --quiet --set=db="$database"
    fi
}

# The first process of an instance becomes the parent of every orphan, such as what is left of a
# health check that took too long. PostgreSQL takes the end of one by a signal for a crash of its own
# and restarts, so this shell stays the first process and passes signals on.
serve() {
    postgres "$@" &
    server=$!
    for signal in HUP INT QUIT TERM USR1 USR2; do
        trap "kill -$signal $server" "$signal"
    done
    while :; do
        status=0
        wait "$server" || status=$?
        kill -0 "$server" 2>/dev/null || exit "$status"
    done
}

case "${1:-}" in
-* | '') set -- postgres "$@" ;;
esac

if [ "$1" = postgres ] && ! wants_help_or_version "$@"; then
    user=$(value_of POSTGRES_USER postgres)
    password=$(value_of POSTGRES_PASSWORD '')
    database=$(value_of POSTGRES_DB "$user")
    method=${POSTGRES_HOST_AUTH_METHOD-}

    mkdir -p -- "$PGDATA" /var/run/postgresql
    chmod 0700 -- "$PGDATA"
    new=$PGDATA/setting-up
    forget_interrupted
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        if [ -n "$(ls -A -- "$PGDATA")" ]; then
            fail "'$PGDATA' is not empty and holds no database; empty it or set PGDATA"
        fi
        # Before <new> says that what is in it may be deleted.
        if [ -n "$(ls -A -- "${POSTGRES_INITDB_WALDIR:-$PGDATA}" 2>/dev/null)" ]; then
            fail "'$POSTGRES_INITDB_WALDIR' is not empty; empty it or set POSTGRES_INITDB_WALDIR"
        fi
        make_cluster
        PGPASSWORD=$password
        POSTGRES_USER=$user POSTGRES_DB=$database PGUSER=$user PGDATABASE=$database
        export PGPASSWORD POSTGRES_USER POSTGRES_DB PGUSER PGDATABASE
        start_private
        make_database
        run_init_files "$database"
        stop_private
        rmdir -- "$new"
        unset PGPASSWORD PGUSER PGDATABASE
        say "the database is set up"
    fi
    major=$(cat -- "$PGDATA/PG_VERSION")
    have=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    if [ "$major" != "$have" ]; then
        fail "'$PGDATA' belongs to PostgreSQL $major, this is $have; dump it there and restore here"
    fi
    shift
    # The image's server listens everywhere; here that is the instance's own network.
    serve -c listen_addresses='*' "$@"
fi

exec "$@"
