# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mainstay_global_optspecs
    string join \n config= json v/verbose color= h/help V/version
end

function __fish_mainstay_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mainstay_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mainstay_using_subcommand
    set -l cmd (__fish_mainstay_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mainstay -n "__fish_mainstay_needs_command" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_needs_command" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_needs_command" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_needs_command" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_needs_command" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "demo" -d 'Show a whole cluster on this machine, under load, and break it again and again'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "init" -d 'Make this server the first node of a new cluster'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "token" -d 'Print a one-time token with which another server may join'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "join" -d 'Make this server a node of a running cluster'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "run" -d 'Run this node\'s agent in the foreground'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "status" -d 'Show the cluster as this node sees it'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "why" -d 'Show the last decisions of a node, with their reasons'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "explain" -d 'Tell where a statement may run, on the primary only or on a replica too, and why'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "switchover" -d 'Make another node the primary, as planned: nothing is lost, clients wait for a moment'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "failover" -d 'Make a node the primary without the old one\'s help'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "pause" -d 'Suspend automatic changes of primary'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "resume" -d 'Allow automatic changes of primary again'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "reload" -d 'Read the configuration again, without refusing a connection'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "upgrade" -d 'Let a new process be the agent, without refusing a connection'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "docs" -d 'Write the reference, man pages and completions below a directory'
complete -c mainstay -n "__fish_mainstay_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l dir -d 'Where everything is kept; without it a temporary directory that is removed at the end' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l nodes -d 'How many servers with data; a witness comes on top' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l seconds -d 'How long the load runs' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l kill-primary-every -d 'Seconds between two faults; 0: none. The next one comes no sooner than 11 s after the last one has healed, so that the failover budget is never spent' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand demo" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l name -d 'Name of this node in the cluster' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l address -d 'Address of this server that the other nodes reach' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l data-dir -d 'Where everything of Mainstay is kept [default: /var/lib/mainstay]' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l database-dir -d 'MariaDB\'s data directory [default: /var/lib/mysql]' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l sql-listen -d 'A TCP address for applications, besides 127.0.0.1:3306 (instead of it when it is a loopback address itself, or all addresses); may be repeated' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l sql-socket -d 'The Unix socket for applications, or `none` [default: /run/mysqld/mysqld.sock]' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l set -d 'Sets any other key of the configuration file, as in `mariadb.options.max_connections=500`; may be repeated' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l cluster -d 'The cluster\'s name, for people' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l ledger -d 'Where the cluster\'s decisions are kept; this version knows `raft`: the agents themselves' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l plan -d 'Only print what would be touched'
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand init" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -l valid-for -d 'How long it may be used' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -l witness -d 'For a witness'
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand token" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l name -d 'Name of this node in the cluster' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l address -d 'Address of this server that the other nodes reach' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l data-dir -d 'Where everything of Mainstay is kept [default: /var/lib/mainstay]' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l database-dir -d 'MariaDB\'s data directory [default: /var/lib/mysql]' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l sql-listen -d 'A TCP address for applications, besides 127.0.0.1:3306 (instead of it when it is a loopback address itself, or all addresses); may be repeated' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l sql-socket -d 'The Unix socket for applications, or `none` [default: /run/mysqld/mysqld.sock]' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l set -d 'Sets any other key of the configuration file, as in `mariadb.options.max_connections=500`; may be repeated' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l plan -d 'Only print what would be touched'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l witness -d 'This node votes and holds no data'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l replace-data -d 'Move data that are in the database directory aside instead of refusing'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand join" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -l take-over -d 'Take over from the running agent, which starts this' -r -f -a "launch\t'Starts the heir and ends: whoever adopts orphans (systemd) is its parent then, and learns of its end'
now\t'Is the heir'"
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand run" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -l watch -d 'Repeat it every second until Ctrl-C'
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand status" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -s n -l last -d 'How many at most' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand why" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l database -d 'The default database of the session' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l user -d 'The user name of the session' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l at -d 'The address or socket of the gateway by which it came in' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l in-transaction -d 'A transaction is open'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l no-autocommit -d 'The session has set `autocommit=0`'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l no-backslash-escapes -d 'The session\'s `sql_mode` has `NO_BACKSLASH_ESCAPES`'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand explain" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -l to -d 'To which node; to the best replica when none is named' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -s y -l yes -d 'Do not ask'
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand switchover" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -l to -d 'Which node takes over' -r
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -l accept-loss -d 'Also when acknowledged writes may be lost'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -s y -l yes -d 'Do not ask'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand failover" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand pause" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand resume" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand reload" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -l program -d 'The program; this one when none is named' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand upgrade" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand completions" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -l dir -d 'Where to' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -l config -d 'The configuration file of this node' -r -F
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -l color -d 'When to colour; `NO_COLOR` is respected' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -l json -d 'Print data as JSON'
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -s v -l verbose -d 'Say more; twice: say everything'
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mainstay -n "__fish_mainstay_using_subcommand docs" -s V -l version -d 'Print version'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "demo" -d 'Show a whole cluster on this machine, under load, and break it again and again'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "init" -d 'Make this server the first node of a new cluster'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "token" -d 'Print a one-time token with which another server may join'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "join" -d 'Make this server a node of a running cluster'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "run" -d 'Run this node\'s agent in the foreground'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "status" -d 'Show the cluster as this node sees it'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "why" -d 'Show the last decisions of a node, with their reasons'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "explain" -d 'Tell where a statement may run, on the primary only or on a replica too, and why'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "switchover" -d 'Make another node the primary, as planned: nothing is lost, clients wait for a moment'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "failover" -d 'Make a node the primary without the old one\'s help'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "pause" -d 'Suspend automatic changes of primary'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "resume" -d 'Allow automatic changes of primary again'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "reload" -d 'Read the configuration again, without refusing a connection'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "upgrade" -d 'Let a new process be the agent, without refusing a connection'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "completions" -d 'Print completions for a shell'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "docs" -d 'Write the reference, man pages and completions below a directory'
complete -c mainstay -n "__fish_mainstay_using_subcommand help; and not __fish_seen_subcommand_from demo init token join run status why explain switchover failover pause resume reload upgrade completions docs help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
