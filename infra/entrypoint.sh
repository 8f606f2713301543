#!/bin/sh
# Secrets are files named like their variables. Those of Prefect and AWS become environment variables;
# our own settings read HUGGINGTWEETS_* from the files. A variable that is already set stays.
set -eu
umask 077  # what is written is for this user only
folder=${SECRETS_FOLDER:-/run/secrets}
for file in "$folder"/PREFECT_* "$folder"/AWS_*; do
    name=${file##*/}
    case $name in *[!A-Z0-9_]*) continue ;; esac  # also the pattern itself, if no file matched
    if [ -f "$file" ] && ! printenv "$name" >/dev/null; then
        export "$name=$(cat "$file")"
    fi
done
exec "$@"
