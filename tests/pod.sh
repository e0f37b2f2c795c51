#!/bin/sh
# Runs a command in a root folder of its own, where only /tmp can be written. Needs root, and a mount namespace.
#
#   unshare --mount pod.sh FOLDER APP SECRETS ACCOUNT PYTHON PACKAGES COMMAND...
#
# ACCOUNT is the login of its service account, or empty for none. PYTHON is the folder of this machine's Python,
# PACKAGES where others installed for it: there is nothing in the pod.
set -eu
root="$1/root" app="$2" secrets="$3" account="$4" python="$5" packages="$6"
shift 6

mkdir -p "$root"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"

put() { # FROM TO: a folder of this machine, read-only
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
}
for folder in /usr /bin /sbin /lib /lib64; do
  if [ -L "$folder" ]; then cp -P "$folder" "$root$folder"; elif [ -d "$folder" ]; then put "$folder" "$folder"; fi
done
[ -e "$root$python" ] || put "$python" "$python"
if [ -d "$root$packages" ]; then mount -t tmpfs -o ro tmpfs "$root$packages"; fi
put "$app" /app
put "$secrets" /etc/neon
[ -z "$account" ] || put "$account" /var/run/secrets/kubernetes.io/serviceaccount
mkdir "$root/dev" "$root/proc" "$root/tmp"
mount --bind /dev "$root/dev"
mount --bind /proc "$root/proc"
mount -t tmpfs -o mode=1777,size=16m tmpfs "$root/tmp"
mount -o remount,ro "$root"
exec unshare --root="$root" --wd=/ "$@"
