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
complete -c bat2influx -n '__bat2influx_in' -a run -d 'run in the foreground (without a command)'
complete -c bat2influx -n '__bat2influx_in' -a check -d 'check each step from the file to the database'
complete -c bat2influx -n '__bat2influx_in' -a discover -d 'list devices on the network, or at HOST, as lines for the file'
complete -c bat2influx -n '__bat2influx_in' -a health -d 'say whether the daemon is well, by text and exit code'
complete -c bat2influx -n '__bat2influx_in' -a pair -d 'get a token from a device with the profile "Paired devices only"'
complete -c bat2influx -n '__bat2influx_in' -a pin -d 'print the fingerprint of a broker\'s certificate'
complete -c bat2influx -n '__bat2influx_in' -a setup-db -d 'database, retention policies, downsampling and user in InfluxDB 1, or how elsewhere'
complete -c bat2influx -n '__bat2influx_in' -a spool -d 'show what waits on disk, and what was refused'
complete -c bat2influx -n '__bat2influx_in' -a watch -d 'show the values as they come, and how all the parts are'
complete -c bat2influx -n '__bat2influx_in' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in' -l version -d 'show program\'s version number and exit'
complete -c bat2influx -n '__bat2influx_in' -l config -x -a '(__fish_complete_suffix .ini | string match -er \'(/|\\.ini)(\\t|$)\')' -d 'the configuration file (default: /etc/bat2influx/bat2influx.ini)'
complete -c bat2influx -n '__bat2influx_in run' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in check' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in check' -l offline -d 'the file alone'
complete -c bat2influx -n '__bat2influx_in check' -l json -d 'print JSON Lines: an object a line'
complete -c bat2influx -n '__bat2influx_in discover' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in discover' -l all -d 'the device\'s settings and the like, too'
complete -c bat2influx -n '__bat2influx_in discover' -l write -d 'put the lines into the file'
complete -c bat2influx -n '__bat2influx_in discover' -l yes -d 'replace what stands there already'
complete -c bat2influx -n '__bat2influx_in discover' -l json -d 'print JSON Lines: an object a line'
complete -c bat2influx -n '__bat2influx_in health' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in health' -l json -d 'print JSON Lines: an object a line'
complete -c bat2influx -n '__bat2influx_in pair' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in pair' -l password -d 'ask for the device\'s password, in the place of its pairing mode'
complete -c bat2influx -n '__bat2influx_in pair' -l write -d 'put the login into the file and a credential'
complete -c bat2influx -n '__bat2influx_in pair' -l yes -d 'replace what stands there already'
complete -c bat2influx -n '__bat2influx_in pin' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in setup-db' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in setup-db' -l raw -x -d 'how long raw values are kept, as in 90d or forever (default: 90d)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l minutes -x -d 'the same of values by the minute, as in 90d or forever (default: 1825d)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l hours -x -d 'the same of values by the hour, as in 90d or forever (default: forever)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l fill -x -d 'how far back these and energies are computed, as in 90d or forever (default: forever)'
complete -c bat2influx -n '__bat2influx_in setup-db' -l change -d 'alter what is there and differs'
complete -c bat2influx -n '__bat2influx_in setup-db' -l dry-run -d 'print the statements, and change nothing'
complete -c bat2influx -n '__bat2influx_in setup-db' -l admin -x -d 'log in as this administrator of the server; the password is asked for'
complete -c bat2influx -n '__bat2influx_in setup-db' -l admin-password-file -r -F -d 'take that password from a file'
complete -c bat2influx -n '__bat2influx_in spool' -s h -l help -d 'show this help message and exit'
complete -c bat2influx -n '__bat2influx_in spool' -l export -d 'as a file for influx -import'
complete -c bat2influx -n '__bat2influx_in spool' -l retry-rejected -d 'have the refused rows sent once more'
complete -c bat2influx -n '__bat2influx_in spool' -l rejected -d 'with --export: the refused rows instead'
complete -c bat2influx -n '__bat2influx_in spool' -l json -d 'print JSON Lines: an object a line'
complete -c bat2influx -n '__bat2influx_in watch' -s h -l help -d 'show this help message and exit'
