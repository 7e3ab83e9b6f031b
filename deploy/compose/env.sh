#!/bin/sh
# Draws the passwords of docker-compose.yml into a file (.env unless another is named), readable by you alone.
# What the file holds already stays.
set -eu
umask 077
file=${1:-.env}
touch "$file"
for name in POSTGRES_PASSWORD OBJECTS_KEY OBJECTS_SECRET GRAFANA_PASSWORD; do
    grep -q "^$name=." "$file" || printf '%s=%s\n' "$name" "$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')" >>"$file"
done
