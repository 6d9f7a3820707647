# For deb.sh and rpm.sh, which have `root` and `fail`.

# Every link from one document in a folder to another leads somewhere.
check_links() {
  local link file to
  while IFS= read -r link; do
    file=${link%%:*}
    to=${link##*](}
    [ -e "${file%/*}/${to%?}" ] || fail "${file#"$root"} links to ${to%?}, which is not there"
  done < <(grep -roE --include='*.md' '\]\([^):#]+[)#]' "$1")
}
