#!/bin/sh
# Secrets come as files named like the variable: what is not ours to read there (our own settings
# read HUGGINGTWEETS_* themselves) goes into the environment. What is set already stays.
set -eu
folder=${SECRETS_FOLDER:-/run/secrets}
for file in "$folder"/PREFECT_* "$folder"/AWS_*; do
    name=${file##*/}
    case $name in *[!A-Z0-9_]*) continue ;; esac  # also the pattern itself, where nothing matched
    if [ -f "$file" ] && ! printenv "$name" >/dev/null; then
        export "$name=$(cat "$file")"
    fi
done
exec "$@"
