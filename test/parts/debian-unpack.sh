#!/bin/sh
# Unpacks the Debian packages that are named, with the libraries they need, into ./root, without installing anything.
set -eu
apt-cache show "$@" >/dev/null 2>&1 || apt-get update -qq
# The C library and its kin are the machine's own.
list=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances --no-pre-depends "$@" |
  grep '^[a-z]' | grep -vxE 'libc6|libgcc-s1|gcc-12-base|libstdc\+\+6|dpkg|install-info|tar|[a-z]+-common|libsasl2-modules-db' | sort -u)
apt-get download -qq $list "$@"
for package in *.deb; do dpkg-deb -x "$package" root; done
rm -f ./*.deb
