# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_zeek_cluster_global_optspecs
    string join \n l/layout= o/output= q/quiet v/verbose parallel= ssh= timeout= yes h/help V/version
end

function __fish_zeek_cluster_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_zeek_cluster_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_zeek_cluster_using_subcommand
    set -l cmd (__fish_zeek_cluster_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -s V -l version -d 'Print version'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "plan" -d 'Show what a deploy would do, and why'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "deploy" -d 'Bring the cluster to what the layout says'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "check" -d 'Check the layout and every host without changing anything'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "install" -d 'Install the layout on its hosts without starting anything'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "start" -d 'Start nodes that were deployed before'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "stop" -d 'Stop nodes, and keep them stopped'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "restart" -d 'Stop nodes and start them again'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "rollback" -d 'Go back to a release that was deployed before'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "unlock" -d 'Take the cluster\'s lock from a command that holds it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "remove" -d 'Stop the cluster and delete it from its hosts'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "status" -d 'Show the state of each node'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "wait" -d 'Wait until nodes are as expected'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "nodes" -d 'List the nodes, with their addresses and whether they are active'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "count" -d 'Count the nodes by type: how many are defined, how many are active'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "peers" -d 'Show which other nodes each node sees'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "log" -d 'Show the cluster\'s log: who joined, who left, and why'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "events" -d 'Show what happened: starts, crashes, restarts, full disks, deploys'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "diag" -d 'Show nodes in full: state, crashes, memory, core file, events, output'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "doctor" -d 'Examine the hosts, step by step, and say what to do'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "output" -d 'Show what a node wrote to its standard output and error'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "top" -d 'Show what each node uses: processor, memory, threads, descriptors'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "df" -d 'Show how full the hosts\' disks are, and what the cluster takes'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "metrics" -d 'Show what each node counts and measures: events, drops, queues, memory'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "releases" -d 'List the releases that are on the hosts'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "history" -d 'Show who changed the cluster, when, with which release, and how it ended'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "notify" -d 'Send a test message from each host to the targets of `notify`'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "subscribe" -d 'Print the events that are published on topics, until Ctrl-C'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "publish" -d 'Publish an event on a topic'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "exec" -d 'Run a command on the hosts'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "store" -d 'Look into the cluster\'s data stores, and change them'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "layout" -d 'Check or print the layout file, without asking any host'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "config" -d 'zeekctl\'s config: the same as `layout show`'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "keys" -d 'Copy, make, replace or show the keys that encrypt the traffic between nodes'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "agent" -d 'Run the agent of a host, or ask for it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "node" -d 'Run one node of a deployed cluster in the foreground'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "man" -d 'Print the manual page of a command, for man'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "help" -d 'Print the help of a command, or of the topic exit-status or from-zeekctl'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "capstats" -d 'zeekctl\'s capstats: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "cleanup" -d 'zeekctl\'s cleanup: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "cron" -d 'zeekctl\'s cron: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "exit" -d 'zeekctl\'s exit: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "netstats" -d 'zeekctl\'s netstats: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "print" -d 'zeekctl\'s print: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "process" -d 'zeekctl\'s process: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "quit" -d 'zeekctl\'s quit: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_needs_command" -f -a "scripts" -d 'zeekctl\'s scripts: says what replaces it'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l to -d 'Show what going back to this release would change; the beginning of its name is enough' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l allow-partial -d 'Plan to go on without hosts on which staging fails, and to start nodes that moved away from a silent host'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l plan -d 'Perform the plan in this file, made by `plan -o json`; refused when it no longer is what has to be done' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l max-unavailable -d 'How many changed nodes of a type may be down at once: a number, or a percentage of the type, rounded up' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l gate-timeout -d 'How long restarted nodes may take to be up again' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l pause -d 'Wait so long between two parts' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l on-failure -d 'What to do when a restarted node does not come up' -r -f -a "stop\t'Restart no further node'
continue\t'Restart the others all the same'
rollback\t'Bring every host back to the release that it had'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l allow-partial -d 'Go on without hosts on which staging fails or ports are held, and start nodes that moved away from a silent host'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l dry-run -d 'Show what would change, as `plan` does, and change nothing; takes no lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand unlock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l all -d 'Delete the logs and stores on the hosts too'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s w -l watch -d 'Keep watching: show every change as it happens, until Ctrl-C'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -l for -d 'What to wait for: active=all, active=N (at least N of them), or stopped=all' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l connect -d 'Look at the cluster that runs there, as an observer that no node notices, whoever deployed it' -r -f -a "(__fish_print_hostnames)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l keys -d 'The folder with the cluster\'s CURVE keys, for --connect' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l fold -d 'Print their names as one set, such as worker-[1-8]; asks no host'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l count -d 'Print how many they are; asks no host'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand nodes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s n -l type -d 'Count nodes of this type only' -r -f -a "manager\t''
logger\t''
proxy\t''
worker\t''"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s e -l expect -d 'Exit with status 1 unless this many are active (or defined, with `--defined`)' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l connect -d 'Look at the cluster that runs there, as an observer that no node notices, whoever deployed it' -r -f -a "(__fish_print_hostnames)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l keys -d 'The folder with the cluster\'s CURVE keys, for --connect' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s a -l active -d 'Print how many are active, as the cluster itself sees it'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s d -l defined -d 'Print how many the layout defines; asks no host'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand count" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l connect -d 'Look at the cluster that runs there, as an observer that no node notices, whoever deployed it' -r -f -a "(__fish_print_hostnames)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l keys -d 'The folder with the cluster\'s CURVE keys, for --connect' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l down -d 'Show only peers that are not up'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand peers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s n -l lines -d 'Show the last N lines [default: 50, or all with --since]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l since -d 'Show lines from this time on, such as 10m (ago), 2026-03-01T12:00:00Z or @1772366400' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l until -d 'Show lines before this time' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l node -d 'Show lines of these nodes only (can be repeated)' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l grep -d 'Show lines whose message matches this regular expression only' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s f -l follow -d 'Keep showing new lines as they are written, until Ctrl-C'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s n -l lines -d 'Show the last N events [default: 50, or all with --since]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l since -d 'Show events from this time on, such as 10m (ago), 2026-03-01T12:00:00Z or @1772366400' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l until -d 'Show events before this time' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s f -l follow -d 'Keep showing new events as they happen, until Ctrl-C'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l bundle -d 'Write all of it into this file (.tar.gz), which must not exist yet' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s n -l lines -d 'Lines of each output, and events of each node [default: 20, or 500 with --bundle]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l no-backtrace -d 'Do not ask gdb for a backtrace, which may take 45 seconds a node'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand diag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l fix -d 'Mend what can be mended without root and without a decision'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s s -l stream -d 'Which stream' -r -f -a "stdout\t'Standard output'
stderr\t'Standard error'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s n -l lines -d 'Show the last N lines' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s f -l follow -d 'Keep showing new lines as they are written, until Ctrl-C; for one node'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand output" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s n -l times -d 'Show it N times' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s d -l delay -d 'Pause between two looks, at most 5s' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -l once -d 'Show it once'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand df" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l grep -d 'Show metrics whose name matches this regular expression only, such as `drops|errors`' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l nonzero -d 'Leave out figures that are zero'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l prometheus -d 'Print one page of all nodes in Prometheus\' text format, whatever --output says'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand releases" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s n -l lines -d 'How many runs to show' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -l here -d 'Ask no host: show what was done from this machine'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and not __fish_seen_subcommand_from show" -f -a "show" -d 'Show the steps of one run, here and on the hosts, with what went wrong'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l replay -d 'Print the commands that would finish it'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l here -d 'Ask no host: show what was done from this machine'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand history; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l target -d 'Only to this target' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l test -d 'Send the test message; nothing else can be asked for yet'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand notify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s n -d 'End after N events' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l connect -d 'Look at the cluster that runs there, as an observer that no node notices, whoever deployed it' -r -f -a "(__fish_print_hostnames)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l keys -d 'The folder with the cluster\'s CURVE keys, for --connect' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand subscribe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l connect -d 'Look at the cluster that runs there, as an observer that no node notices, whoever deployed it' -r -f -a "(__fish_print_hostnames)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l keys -d 'The folder with the cluster\'s CURVE keys, for --connect' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand publish" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l outdir -d 'Write what each host says to DIR/HOST, and what it says on standard error to DIR/HOST.err' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l shell -d 'Let /bin/sh on the host read the command as one line of shell'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l stream -d 'Show each line as it comes, the host\'s name before it; all of them, however many'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l diff -d 'Show what most hosts say, and how the others differ from it'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l max-rc -d 'Exit with the highest status that the command ended with'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "list" -d 'Show which node has which stores, and how they are'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "get" -d 'Print the value of a key'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "keys" -d 'Print all keys, one a line'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "size" -d 'Print how many keys there are'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "put" -d 'Write the value of a key'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "del" -d 'Remove a key'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "clear" -d 'Remove all keys'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and not __fish_seen_subcommand_from list get keys size put del clear watch" -f -a "watch" -d 'Print each change as it happens, until Ctrl-C'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from keys" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from size" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l expiry -d 'Let the key vanish after so long, such as 30s or 1h30m [default: never]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from put" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from del" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -l node -d 'Ask this node [default: the one that holds the master]' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand store; and __fish_seen_subcommand_from watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -f -a "check" -d 'Check the layout file and name everything that is wrong with it'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -f -a "show" -d 'Print the layout as it was understood'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -f -a "schema" -d 'Print a JSON Schema of the layout file, for editors'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and not __fish_seen_subcommand_from check show schema import" -f -a "import" -d 'Turn the files of zeekctl or of Zeek\'s zeek.conf into a layout'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s f -l format -d 'In which form [default: json with `-o json`, else yaml]' -r -f -a "yaml\t'The layout\'s own language'
json\t'JSON'
zeek\t'Zeek\'s cluster-layout.zeek'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -l options -d 'Print each option\'s value instead, and where it comes from'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -l output-file -d 'Write the layout into this file, which must not be there yet, and print the report' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand layout; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s f -l format -d 'In which form [default: json with `-o json`, else yaml]' -r -f -a "yaml\t'The layout\'s own language'
json\t'JSON'
zeek\t'Zeek\'s cluster-layout.zeek'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -l options -d 'Print each option\'s value instead, and where it comes from'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "generate" -d 'Make the keys of a new cluster now, unless it has some'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "fetch" -d 'Take the keys in force from the cluster\'s hosts'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "rotate" -d 'Replace the keys by new ones, and deploy them'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "export" -d 'Write the keys to a file, for a safe'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "import" -d 'Take the keys from a file that `keys export` wrote'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and not __fish_seen_subcommand_from generate fetch rotate export import show-public" -f -a "show-public" -d 'Print the public keys, as Z85 text'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l wait -d 'Wait while another command changes the cluster, rather than give up at once with exit status 5' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l no-lock -d 'Do not take the cluster\'s lock'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l passphrase-file -d 'Seal the file with the first line of this one' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l passphrase -d 'Seal the file with a passphrase, which is asked for twice'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -l passphrase-file -d 'Open a sealed file with the first line of this one, instead of asking' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand keys; and __fish_seen_subcommand_from show-public" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "run" -d 'Run the agent of a cluster\'s folder in the foreground'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "keep" -d 'Keep the agent of a cluster\'s folder running'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "free-cgroup" -d 'Let the cgroup of the agent\'s unit take a process again'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "connect" -d 'Join standard input and output to an agent\'s socket'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "install" -d 'Have systemd start the agents when their hosts start'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "uninstall" -d 'Undo `agent install`'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and not __fish_seen_subcommand_from run keep free-cgroup connect install uninstall status" -f -a "status" -d 'Show the agent of each host of the layout'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l detach -d 'Run it in the background, and return when it listens; it writes `run/agent.log` in the folder'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l replace -d 'End an agent of the folder that gives no sign of life, and take its place; nodes run on'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l foreground -d 'Be the one process of a container: take care of orphans, start the agent again when it dies, and on SIGTERM or SIGINT stop the nodes in order, then end. Implied for process 1'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l stop-nodes -d 'On SIGTERM or SIGINT stop the nodes in order, then end'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from keep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from free-cgroup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l dir -d 'This folder, `BASE/CLUSTER`, on this machine alone, without a layout' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l system -d 'A unit of the system; needs root'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l user -d 'A unit of the user that logs in'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -l dir -d 'This folder, `BASE/CLUSTER`, on this machine alone, without a layout' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand agent; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -f -a "run" -d 'Run a node until SIGTERM or SIGINT'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -f -a "archive-log" -d 'Bring a log that a real Zeek rotated into the archive (Zeek runs this)'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -f -a "archive-leftovers" -d 'Bring the logs that a node left open into the archive (agents run this)'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and not __fish_seen_subcommand_from run archive-log archive-leftovers check" -f -a "check" -d 'Let Zeek read the scripts of a staged release (`check` and `deploy` run this)'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l config -d 'What the node was started with' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from archive-leftovers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -l dir -d 'The cluster\'s folder on this host, `BASE/CLUSTER`' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand node; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -l dir -d 'Write every page into this folder instead' -r -f -a "(__fish_complete_directories)"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand capstats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cleanup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand cron" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand exit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand netstats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand print" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand process" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand quit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -s l -l layout -d 'The layout file to read' -r -F
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -s o -l output -d 'How to write the answer [default: table on a terminal, else tsv]' -r -f -a "table\t'Aligned columns for eyes'
json\t'One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)'
jsonl\t'One JSON object a line, as soon as it is known: the same objects'
tsv\t'Tab-separated columns without a header line, for cut and awk'
name\t'Names only, one a line'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -l parallel -d 'How many hosts to talk to at once' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -l ssh -d 'Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]' -r -f -a "builtin\t'The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts'
system\t'The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says'"
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -l timeout -d 'Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default' -r
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -s q -l quiet -d 'Say less on standard error: errors only'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -s v -l verbose -d 'Say more on standard error; twice for every decision, three times for all traffic'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -l yes -d 'Answer every question with yes'
complete -c zeek-cluster -n "__fish_zeek_cluster_using_subcommand scripts" -s h -l help -d 'Print help (see more with \'--help\')'
