#!/bin/sh
# Creates the secrets that compose.yaml names, with random values, in infra/secrets. Existing ones
# stay. With names, such as `make-secrets.sh s3`, it replaces those: rotation. Names: database, redis,
# api, s3, web. Files for your own tokens (Hub, X, W&B, webhook) are created empty, for you to fill.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
is_wanted() { # name, file
    [ ! -e "$2" ] && return 0
    for each in $again; do [ "$each" = "$1" ] && return 0; done
    return 1
}
put() { # file, content; readable by the containers' users, in a folder that only you can enter
    # Written in place: a container goes on seeing the file that it was started with.
    [ ! -e "$1" ] || chmod 644 "$1"
    printf '%s' "$2" >"$1"
    chmod 644 "$1"
    echo "made infra/secrets/$1"
}

again="$*"
for name in $again; do
    case $name in
    database | redis | api | s3 | web) ;;
    *) echo "make-secrets.sh: $name is not a secret that can be replaced: use database, redis, api, s3 or web" >&2 && exit 2 ;;
    esac
done
if is_wanted database database_password; then
    put database_password "$(random)"
fi
if is_wanted redis redis.conf; then
    password=$(random)
    put redis.conf "requirepass $password
appendonly yes
dir /data
"
    put redis_url "redis://:$password@redis:6379/0"
fi
if is_wanted api api_login; then
    put api_login "operator:$(random)"
fi
if is_wanted s3 s3.json; then
    key=$(random) secret=$(random)
    put s3_key "$key"
    put s3_secret "$secret"
    put s3.json "{\"identities\": [{\"name\": \"huggingtweets\",
  \"credentials\": [{\"accessKey\": \"$key\", \"secretKey\": \"$secret\"}],
  \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\", \"Tagging\"]}]}
"
fi
if is_wanted web web_token; then
    put web_token "$(random)"
fi
for token in hub_token community_archive_key x_bearer_token wandb_api_key notify_url; do
    [ -e "$token" ] || put "$token" ""
done
