#!/bin/sh
# Installs Debian's chromium for the browser tests where that needs no password; otherwise says how.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium for the browser tests (once)"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "no Chrome or Chromium found: the browser tests will be skipped; get it with 'sudo apt-get install chromium'"
