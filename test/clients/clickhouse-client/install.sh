#!/bin/sh
# Unpacks Debian's clickhouse-client with the libraries it needs into ./root, without installing anything.
set -eu
packages=clickhouse-client
apt-cache show "$packages" >/dev/null 2>&1 || apt-get update -qq
# The C library and its kin are the machine's own.
list=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances --no-pre-depends $packages |
  grep '^[a-z]' | grep -vxE 'libc6|libgcc-s1|gcc-12-base|libstdc\+\+6|dpkg|install-info|tar|[a-z]+-common|libsasl2-modules-db' | sort -u)
apt-get download -qq $list clickhouse-common
for package in *.deb; do dpkg-deb -x "$package" root; done
rm -f ./*.deb
