# fish completion for bat2influx
# Generated from its parser: make completions

# Succeeds where the command that has been typed is the one that is given, "" for none.
function __bat2influx_in
    set -l words (commandline -opc)
    set -l command
    set -l skip no
    for word in $words[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case --config
                set skip yes
            case '-*'
            case '*'
                set command $word
                break
        end
    end
    test "$command" = "$argv[1]"
end

complete -c bat2influx -f
complete -c bat2influx -n '__bat2influx_in' -a run -d 'run the daemon in the foreground (the default)'
complete -c bat2influx -n '__bat2influx_in' -a check -d 'test each step from the configuration to the database'
complete -c bat2influx -n '__bat2influx_in' -a discover -d 'find devices, print lines for the configuration'
complete -c bat2influx -n '__bat2influx_in' -a health -d 'report whether the daemon is healthy, also by exit code'
complete -c bat2influx -n '__bat2influx_in' -a pair -d 'get a token from a device with "Paired devices only"'
complete -c bat2influx -n '__bat2influx_in' -a pin -d 'print the fingerprint of a TLS certificate'
complete -c bat2influx -n '__bat2influx_in' -a setup-db -d 'set up database, retention, downsampling and user'
complete -c bat2influx -n '__bat2influx_in' -a spool -d 'show values queued on disk, and rejected values'
complete -c bat2influx -n '__bat2influx_in' -a watch -d 'show values live, and the state of each part'
complete -c bat2influx -n '__bat2influx_in' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in' -l version -d 'show the version and exit'
complete -c bat2influx -n '__bat2influx_in' -l config -x -a '(__fish_complete_suffix .ini | string match -er \'(/|\\.ini)(\\t|$)\')' -d 'configuration file (default: /etc/bat2influx/bat2influx.ini)'
complete -c bat2influx -n '__bat2influx_in run' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in check' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in check' -l offline -d 'check the configuration file only, without network'
complete -c bat2influx -n '__bat2influx_in check' -l json -d 'print JSON Lines: one object per line'
complete -c bat2influx -n '__bat2influx_in discover' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in discover' -l all -d 'list the device\'s settings as well'
complete -c bat2influx -n '__bat2influx_in discover' -l write -d 'put the lines into the file'
complete -c bat2influx -n '__bat2influx_in discover' -l yes -d 'replace existing values'
complete -c bat2influx -n '__bat2influx_in discover' -l json -d 'print JSON Lines: one object per line'
complete -c bat2influx -n '__bat2influx_in health' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in health' -l json -d 'print JSON Lines: one object per line'
complete -c bat2influx -n '__bat2influx_in pair' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in pair' -l password -d 'ask for the password instead of pairing mode'
complete -c bat2influx -n '__bat2influx_in pair' -l write -d 'put the login into file and credential'
complete -c bat2influx -n '__bat2influx_in pair' -l yes -d 'replace existing values'
complete -c bat2influx -n '__bat2influx_in pin' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in setup-db' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in setup-db' -l raw -x -d 'retention of raw values (default: 90d)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l minutes -x -d 'retention of 1-minute values (default: 1825d)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l hours -x -d 'retention of hourly values (default: forever)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l fill -x -d 'how far back to downsample (default: forever)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l change -d 'change existing settings that differ'
complete -c bat2influx -n '__bat2influx_in setup-db' -l dry-run -d 'print the statements, change nothing'
complete -c bat2influx -n '__bat2influx_in setup-db' -l admin -x -d 'log in as this administrator'
complete -c bat2influx -n '__bat2influx_in setup-db' -l admin-password-file -r -F -d 'read the administrator\'s password from FILE'
complete -c bat2influx -n '__bat2influx_in spool' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in spool' -l export -d 'print queued values for influx -import'
complete -c bat2influx -n '__bat2influx_in spool' -l retry-rejected -d 'send rejected values again'
complete -c bat2influx -n '__bat2influx_in spool' -l rejected -d 'with --export: print rejected values'
complete -c bat2influx -n '__bat2influx_in spool' -l json -d 'print JSON Lines: one object per line'
complete -c bat2influx -n '__bat2influx_in watch' -s h -l help -d 'show this help message and exit'
