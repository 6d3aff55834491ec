run_clean() { rm -rf "$root/build"; }
