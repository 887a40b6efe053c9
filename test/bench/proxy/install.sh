#!/bin/sh
# Unpacks Debian's nginx and haproxy with the libraries they need into ./root, without installing anything.
set -eu
packages='nginx haproxy'
apt-cache show $packages >/dev/null 2>&1 || apt-get update -qq
# Everything else below them is on every machine, or is for their installation as a service.
list=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances --no-pre-depends $packages |
  grep -xE 'nginx|haproxy|(libssl|zlib|libpcre2|libcrypt|liblua|libsystemd|libopentracing|liblz|libzstd|libgcrypt|libgpg-error)[a-z0-9.+-]*|libcap2' | sort -u)
apt-get download -qq $list
for package in *.deb; do dpkg-deb -x "$package" root; done
rm -f ./*.deb
