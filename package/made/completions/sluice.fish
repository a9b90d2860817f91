# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sluice_global_optspecs
    string join \n socket= format= h/help V/version
end

function __fish_sluice_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sluice_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sluice_using_subcommand
    set -l cmd (__fish_sluice_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sluice -n "__fish_sluice_needs_command" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_needs_command" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_needs_command" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_needs_command" -s V -l version -d 'Print version'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "status" -d 'How the director is: processes, versions of the tables, warnings'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "service" -d 'Virtual services'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "real" -d 'Real servers of a service'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "group" -d 'Groups: several endpoints for one service'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "connection" -d 'Connections'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "stats" -d 'Counters of services, reals and workers since the dataplane started'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "drops" -d 'Why packets were dropped or answered'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "ports" -d 'The Ethernet ports and their counters'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "explain" -d 'What would happen to a packet now, and why; changes nothing'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "apply" -d 'Makes a services file the running table, whole or not at all; connections of what stays go on'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "reload" -d 'Applies the services file that sluiced was started with'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "settings" -d 'The settings in force, by the names and values of LVS\'s'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "timeouts" -d 'The timeouts in force, in seconds'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "ipvsadm" -d 'The command line of ipvsadm 1.31, for this director; exit codes as there'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "doctor" -d 'Looks at this machine, director or real server: what stands in the way, and what to do; changes nothing'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "completions" -d 'Prints the completions of a shell for this command'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "man" -d 'Writes the manual pages of sluice and sluiced into a folder'
complete -c sluice -n "__fish_sluice_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand status" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand status" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand status" -l check -d 'For programs: exit code 4 unless the dataplane runs, answers and has the services in force'
complete -c sluice -n "__fish_sluice_using_subcommand status" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "list" -d 'Every service'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "show" -d 'One service and its reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "add" -d 'Adds a service without reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "set" -d 'Changes a service'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "remove" -d 'Removes a service with its reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and not __fish_seen_subcommand_from list show add set remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from list" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from list" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from show" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from show" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l group -d 'In the place of protocol and address: the number of a group' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l scheduler -d 'rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf or twos' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l method -d 'Method of reals added without one: nat, tunnel or direct' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l scheduler-flags -d 'Variants of the scheduler: sh-port, sh-fallback, mh-port, mh-fallback; "" for none' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l persistence -d 'A client keeps its real for so many seconds after its last new connection; 0: no persistence' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l persistence-netmask -d 'Which bits of a client\'s address count for that, as 255.255.255.0' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l one-packet -d 'Every datagram is scheduled by itself (UDP and groups): true or false' -r -f -a "true\t''
false\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l clamp-mss -d 'TCP ends are told of a segment size that fits the way to the real: true or false' -r -f -a "true\t''
false\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l helper -d 'Reads and rewrites the payload (NAT): ftp or none' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l timeout -d 'A timeout of its own, as tcp_established=3600; 0: as for all services. May be given several times' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l scheduler -d 'rr, wrr, lc, wlc, sed, nq, lblc, lblcr, dh, sh, mh, fo, ovf or twos' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l method -d 'Method of reals added later without one; present reals keep theirs' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l scheduler-flags -d 'Variants of the scheduler: sh-port, sh-fallback, mh-port, mh-fallback; "" for none' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l persistence -d 'A client keeps its real for so many seconds after its last new connection; 0: no persistence' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l persistence-netmask -d 'Which bits of a client\'s address count for that, as 255.255.255.0' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l one-packet -d 'Every datagram is scheduled by itself (UDP and groups): true or false' -r -f -a "true\t''
false\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l clamp-mss -d 'TCP ends are told of a segment size that fits the way to the real: true or false' -r -f -a "true\t''
false\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l helper -d 'Reads and rewrites the payload (NAT): ftp or none' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l timeout -d 'A timeout of its own, as tcp_established=3600; 0: as for all services. May be given several times' -r
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from remove" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from remove" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "list" -d 'Every service'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "show" -d 'One service and its reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "add" -d 'Adds a service without reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "set" -d 'Changes a service'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Removes a service with its reals'
complete -c sluice -n "__fish_sluice_using_subcommand service; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -f -a "add" -d 'Adds a real server to a service'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -f -a "set" -d 'Changes a real server'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -f -a "remove" -d 'Removes a real server; packets of its connections are dropped until it comes back, or as expire_nodest_conn says'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -f -a "drain" -d 'Sets the weight to 0: no new connections, existing ones go on'
complete -c sluice -n "__fish_sluice_using_subcommand real; and not __fish_seen_subcommand_from add set remove drain help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l weight -d 'Its share, 0 to 65535; 1 if not given' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l method -d 'nat, tunnel or direct; the service\'s if not given' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l upper-threshold -d 'With so many connections it gets no new ones; 0: no limit' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l lower-threshold -d 'Below so many it gets new ones again; 0: three quarters of the upper threshold' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l weight -d 'Its share, 0 to 65535' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l method -d 'nat, tunnel or direct; existing connections keep theirs' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l upper-threshold -d 'With so many connections it gets no new ones; 0: no limit' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l lower-threshold -d 'Below so many it gets new ones again; 0: three quarters of the upper threshold' -r
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from remove" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from remove" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from drain" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from drain" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from help" -f -a "add" -d 'Adds a real server to a service'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from help" -f -a "set" -d 'Changes a real server'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Removes a real server; packets of its connections are dropped until it comes back, or as expire_nodest_conn says'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from help" -f -a "drain" -d 'Sets the weight to 0: no new connections, existing ones go on'
complete -c sluice -n "__fish_sluice_using_subcommand real; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -f -a "list" -d 'Every group'
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -f -a "set" -d 'Makes a group of these endpoints, or gives it these in the place of those it has'
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -f -a "remove" -d 'Removes a group; a service over it stays, without packets'
complete -c sluice -n "__fish_sluice_using_subcommand group; and not __fish_seen_subcommand_from list set remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from list" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from list" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from set" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from set" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from remove" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from remove" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "list" -d 'Every group'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "set" -d 'Makes a group of these endpoints, or gives it these in the place of those it has'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Removes a group; a service over it stays, without packets'
complete -c sluice -n "__fish_sluice_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -f -a "list" -d 'Lists connections'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -f -a "count" -d 'Prints how many connections there are'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -f -a "flush" -d 'Removes connections'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and not __fish_seen_subcommand_from list count flush help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l protocol -d 'tcp or udp' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l client -d 'The client\'s address' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l service -d 'A service\'s name, or a virtual address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l real -d 'The real\'s address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l limit -d 'At most so many; 0 = all' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l protocol -d 'tcp or udp' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l client -d 'The client\'s address' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l service -d 'A service\'s name, or a virtual address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l real -d 'The real\'s address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from count" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l protocol -d 'tcp or udp' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l client -d 'The client\'s address' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l service -d 'A service\'s name, or a virtual address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l real -d 'The real\'s address and port' -r
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -l all -d 'Every connection; needed where no filter is given'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from flush" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from help" -f -a "list" -d 'Lists connections'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from help" -f -a "count" -d 'Prints how many connections there are'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from help" -f -a "flush" -d 'Removes connections'
complete -c sluice -n "__fish_sluice_using_subcommand connection; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand stats" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand stats" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand stats" -l rate -d 'Per second instead: two samples, a second apart'
complete -c sluice -n "__fish_sluice_using_subcommand stats" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand drops" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand drops" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand drops" -l all -d 'Reasons that never occurred too'
complete -c sluice -n "__fish_sluice_using_subcommand drops" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand ports" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand ports" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand ports" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand explain" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand explain" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand explain" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand apply" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand apply" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand apply" -l dry-run -d 'Only print what would change'
complete -c sluice -n "__fish_sluice_using_subcommand apply" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand reload" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand reload" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand reload" -l dry-run -d 'Only print what would change'
complete -c sluice -n "__fish_sluice_using_subcommand reload" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and not __fish_seen_subcommand_from set help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand settings; and not __fish_seen_subcommand_from set help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand settings; and not __fish_seen_subcommand_from set help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and not __fish_seen_subcommand_from set help" -f -a "set" -d 'Changes settings, at once'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and not __fish_seen_subcommand_from set help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and __fish_seen_subcommand_from set" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand settings; and __fish_seen_subcommand_from set" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand settings; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "set" -d 'Changes settings, at once'
complete -c sluice -n "__fish_sluice_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and not __fish_seen_subcommand_from set help" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and not __fish_seen_subcommand_from set help" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and not __fish_seen_subcommand_from set help" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and not __fish_seen_subcommand_from set help" -f -a "set" -d 'Changes timeouts; existing connections follow with their next packet'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and not __fish_seen_subcommand_from set help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and __fish_seen_subcommand_from set" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and __fish_seen_subcommand_from set" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and __fish_seen_subcommand_from help" -f -a "set" -d 'Changes timeouts; existing connections follow with their next packet'
complete -c sluice -n "__fish_sluice_using_subcommand timeouts; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand ipvsadm" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand ipvsadm" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l config -d 'The machine: ports, cores, memory' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l services -d 'What is balanced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l real -d 'Look at this machine as a real server with this method instead: nat, tunnel or direct' -r
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l vip -d 'With --real: the virtual address that the real server serves' -r
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l root -d 'Read /proc, /sys and /dev below this folder' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -l no-probe -d 'Do not have the dataplane open the ports to tell their queues and offloads'
complete -c sluice -n "__fish_sluice_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand completions" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand completions" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand completions" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand man" -l socket -d 'The Unix socket of sluiced' -r -F
complete -c sluice -n "__fish_sluice_using_subcommand man" -l format -d 'For people, or for programs' -r -f -a "table\t''
json\t''"
complete -c sluice -n "__fish_sluice_using_subcommand man" -s h -l help -d 'Print help'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "status" -d 'How the director is: processes, versions of the tables, warnings'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "service" -d 'Virtual services'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "real" -d 'Real servers of a service'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "group" -d 'Groups: several endpoints for one service'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "connection" -d 'Connections'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "stats" -d 'Counters of services, reals and workers since the dataplane started'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "drops" -d 'Why packets were dropped or answered'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "ports" -d 'The Ethernet ports and their counters'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "explain" -d 'What would happen to a packet now, and why; changes nothing'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "apply" -d 'Makes a services file the running table, whole or not at all; connections of what stays go on'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "reload" -d 'Applies the services file that sluiced was started with'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "settings" -d 'The settings in force, by the names and values of LVS\'s'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "timeouts" -d 'The timeouts in force, in seconds'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "ipvsadm" -d 'The command line of ipvsadm 1.31, for this director; exit codes as there'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "doctor" -d 'Looks at this machine, director or real server: what stands in the way, and what to do; changes nothing'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "completions" -d 'Prints the completions of a shell for this command'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "man" -d 'Writes the manual pages of sluice and sluiced into a folder'
complete -c sluice -n "__fish_sluice_using_subcommand help; and not __fish_seen_subcommand_from status service real group connection stats drops ports explain apply reload settings timeouts ipvsadm doctor completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "list" -d 'Every service'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "show" -d 'One service and its reals'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "add" -d 'Adds a service without reals'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "set" -d 'Changes a service'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from service" -f -a "remove" -d 'Removes a service with its reals'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from real" -f -a "add" -d 'Adds a real server to a service'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from real" -f -a "set" -d 'Changes a real server'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from real" -f -a "remove" -d 'Removes a real server; packets of its connections are dropped until it comes back, or as expire_nodest_conn says'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from real" -f -a "drain" -d 'Sets the weight to 0: no new connections, existing ones go on'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "list" -d 'Every group'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "set" -d 'Makes a group of these endpoints, or gives it these in the place of those it has'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "remove" -d 'Removes a group; a service over it stays, without packets'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from connection" -f -a "list" -d 'Lists connections'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from connection" -f -a "count" -d 'Prints how many connections there are'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from connection" -f -a "flush" -d 'Removes connections'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "set" -d 'Changes settings, at once'
complete -c sluice -n "__fish_sluice_using_subcommand help; and __fish_seen_subcommand_from timeouts" -f -a "set" -d 'Changes timeouts; existing connections follow with their next packet'
