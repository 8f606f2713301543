#!/bin/sh
# Secrets are files named like their variables. Those of Prefect and AWS become environment variables;
# our own settings read HUGGINGTWEETS_* from the files. A variable that is already set stays.
# The image has this script on its PATH as `huggingtweets`, `prefect` and `python`, which `docker
# compose exec` starts without the entrypoint: under such a name it runs the program of that name.
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
program=${0##*/}
if [ "$program" != entrypoint.sh ]; then
    set -- "${PROGRAMS:-/opt/venv/bin}/$program" "$@"
fi
exec "$@"
