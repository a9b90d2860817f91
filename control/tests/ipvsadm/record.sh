#!/bin/bash
# Asks the real ipvsadm the command lines of a file of cases, and prints the file with its answers. `make conformance` runs
# it, as root in a network namespace of a virtual machine where /etc may be replaced, and compares what it prints with the
# file; `make conformance RECORD=1 FILES=ipvsadm` writes the files.
#
#     bash record.sh < cases.txt > recorded.txt
#
# Lines that begin with ~, our own answers where they differ, stay. Of a program that a signal ended the exit code says so.
printf '127.0.0.1 localhost\n10.9.0.1 vip.example\n10.0.2.2 one.example one\n10.0.2.3 a-real-server-with-a-long-name.example\n' > /etc/hosts
printf 'ftp 21/tcp\nhttp 80/tcp www\nhttps 443/tcp\ndomain 53/tcp\ndomain 53/udp\nsyslog 514/udp\n' > /etc/services
printf 'hosts: files\nservices: files\nprotocols: files\n' > /etc/nsswitch.conf
in=$(mktemp) out=$(mktemp) err=$(mktemp)
answer() {
  local line
  while IFS= read -r line; do
    case $line in *' Segmentation fault '*) ;; *) printf '%s %s\n' "$1" "$line" ;; esac
  done < "$2"
}
while IFS= read -r line; do
  case $line in
    '1 '* | '2 '* | '= '* | 1 | 2) ;;
    '## '*) ipvsadm -C; ipvsadm --set 900 120 300; echo "$line" ;;
    '< '*) echo "$line"; printf '%s\n' "${line#< }" >> "$in" ;;
    '$ '*)
      echo "$line"
      eval "${line#\$ }" < "$in" > "$out" 2> "$err"
      code=$?
      answer 1 "$out"; answer 2 "$err"; echo "= $code"
      : > "$in" ;;
    *) echo "$line" ;;
  esac
done
