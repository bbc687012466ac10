# Sourced by scripts/test: sees to it that there is a browser for the tests of pages, where it can.
# Without one they are skipped.

find_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

install_browser() {
    local log=.venv/browser.log
    echo "installing Chromium for the tests of pages" >&2
    { apt-get update && apt-get install -y --no-install-recommends chromium; } \
        </dev/null >"$log" 2>&1 || echo "installing Chromium failed, see $log" >&2
}

if ! find_browser >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    install_browser
fi
find_browser >/dev/null || echo "no Chromium: tests of pages are skipped" >&2
