#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts the machine's nginx as the official image does: default files where
# the instance has none, templates filled in from the environment, then the
# scripts in /docker-entrypoint.d. What is mounted stays as it is.
set -eu

is_writable() { # FILE is not there, and could be made
    [ ! -e "$1" ] && [ -w "${1%/*}" ]
}

write_types() {
    cat >/etc/nginx/mime.types <<'TYPES'
types {
    text/html                        html htm shtml;
    text/css                         css;
    text/xml                         xml;
    text/plain                       txt;
    text/markdown                    md;
    text/csv                         csv;
    text/calendar                    ics;
    image/gif                        gif;
    image/jpeg                       jpeg jpg;
    image/png                        png;
    image/webp                       webp;
    image/avif                       avif;
    image/svg+xml                    svg svgz;
    image/tiff                       tif tiff;
    image/bmp                        bmp;
    image/x-icon                     ico;
    font/woff                        woff;
    font/woff2                       woff2;
    font/ttf                         ttf;
    font/otf                         otf;
    application/javascript           js mjs;
    application/json                 json map;
    application/manifest+json        webmanifest;
    application/atom+xml             atom;
    application/rss+xml              rss;
    application/wasm                 wasm;
    application/pdf                  pdf;
    application/zip                  zip;
    application/gzip                 gz;
    application/x-tar                tar;
    application/x-7z-compressed      7z;
    application/msword               doc;
    application/vnd.ms-excel         xls;
    application/vnd.ms-powerpoint    ppt;
    application/vnd.openxmlformats-officedocument.wordprocessingml.document   docx;
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet         xlsx;
    application/vnd.openxmlformats-officedocument.presentationml.presentation pptx;
    application/octet-stream         bin exe dll iso img msi dmg;
    audio/mpeg                       mp3;
    audio/ogg                        ogg;
    audio/mp4                        m4a;
    audio/wav                        wav;
    video/mp4                        mp4;
    video/mpeg                       mpeg mpg;
    video/webm                       webm;
    video/quicktime                  mov;
    video/mp2t                       ts;
    application/vnd.apple.mpegurl    m3u8;
}
TYPES
}

write_configuration() {
    cat >/etc/nginx/nginx.conf <<'CONF'
worker_processes auto;
pid /run/nginx.pid;
error_log /dev/stderr notice;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
CONF
}

write_site() {
    cat >/etc/nginx/conf.d/default.conf <<'CONF'
server {
    listen 80;
    server_name localhost;

    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
CONF
}

# The variables of the environment only: nginx has its own, such as $host.
fill_template() { # TEMPLATE RESULT
    names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
    envsubst "$names" <"$1" >"$2"
}

fill_templates() {
    folder=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
    suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
    into=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
    [ -d "$folder" ] || return 0
    find "$folder" -follow -type f -name "*$suffix" | while read -r template; do
        command -v envsubst >/dev/null || {
            echo "cannot fill in '$template': the program envsubst is not there; install the package gettext-base" >&2
            exit 1
        }
        result=${template#"$folder"/}
        result=$into/${result%"$suffix"}
        mkdir -p "${result%/*}"
        fill_template "$template" "$result"
    done
}

run_scripts() {
    find /docker-entrypoint.d -follow -type f 2>/dev/null | sort | while read -r script; do
        case $script in
        *.envsh) echo "'$script' is not read: variables belong into the compose file" >&2 ;;
        *.sh) if [ -x "$script" ]; then "$script"; else sh "$script"; fi ;;
        esac
    done
}

case "${1:-}" in
nginx | nginx-debug)
    is_writable /etc/nginx/mime.types && write_types
    is_writable /etc/nginx/nginx.conf && write_configuration
    fill_templates
    if [ -z "$(ls -A /etc/nginx/conf.d 2>/dev/null)" ] && [ -w /etc/nginx/conf.d ]; then
        write_site
    fi
    [ -e /var/log/nginx/access.log ] || ln -s /dev/stdout /var/log/nginx/access.log
    [ -e /var/log/nginx/error.log ] || ln -s /dev/stderr /var/log/nginx/error.log
    run_scripts
    shift
    set -- nginx "$@"
    ;;
esac
exec "$@"
