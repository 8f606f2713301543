#!/bin/sh
# Copies the secrets that runs need from infra/secrets into a folder that the containers of a Docker
# work pool mount, each under its variable's name; for the image's user only. As root:
#   infra/job-secrets.sh /etc/huggingtweets/secrets
# Run it again after a rotation.
set -eu
[ $# = 1 ] || { echo "job-secrets.sh: name the folder, such as /etc/huggingtweets/secrets" >&2 && exit 2; }
cd "$(dirname "$0")/secrets"
install -d -m 755 "$1"
while read -r file variable; do
    install -m 400 -o 10001 -g 10001 "$file" "$1/$variable"
done <<'end'
api_login PREFECT_API_AUTH_STRING
s3_key AWS_ACCESS_KEY_ID
s3_secret AWS_SECRET_ACCESS_KEY
hub_token HUGGINGTWEETS_HUB_TOKEN
community_archive_key HUGGINGTWEETS_COMMUNITY_ARCHIVE_KEY
x_bearer_token HUGGINGTWEETS_X_BEARER_TOKEN
wandb_api_key HUGGINGTWEETS_WANDB_API_KEY
notify_url HUGGINGTWEETS_NOTIFY_URL
end
