#!/bin/sh
set -eu
if [ "$(id -u)" = 0 ]; then
    chown -R redis: .
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
umask 077
exec "$@"
