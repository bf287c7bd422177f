#!/bin/bash
# Installs the Debian packages that give the commands named as arguments, if
# they are missing, and says so. `make test` runs it, so that a machine with Go
# and apt needs nothing else. Usage: deploy/need.sh COMMAND...
set -euo pipefail

package_of() {
	case $1 in
	redis-server | chromium) echo "$1" ;;
	protoc) echo protobuf-compiler ;;
	*)
		echo "need.sh: I do not know which package has $1" >&2
		return 1
		;;
	esac
}

missing=()
for command in "$@"; do
	package=$(package_of "$command")
	command -v "$command" >/dev/null || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
	echo "need.sh: missing: ${missing[*]}; there is no apt-get here, please install them yourself" >&2
	exit 1
fi
as_root=()
if ((EUID != 0)); then
	if ! command -v sudo >/dev/null; then
		echo "need.sh: missing: ${missing[*]}; run as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

echo "need.sh: installing by apt-get: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# Debian starts a Redis on its default port when the package is installed;
# tests start their own on free ports, so that one is not wanted.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod +x "$policy"
fi
"${as_root[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
