#!/bin/sh
# Makes a certificate for the first start, unless one is there. Run by the image's entry point.
set -eu

folder=${TLS_FOLDER:-/etc/nginx/tls}
[ -s "$folder/key.pem" ] && exit 0

mkdir -p "$folder"
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 \
    -subj /CN=eshop.localhost -addext subjectAltName=DNS:eshop.localhost,DNS:localhost \
    -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
