# "zsh -f offered.zsh FOLDER FILE LINE" writes to FILE what an interactive zsh offers at the end of a
# command line, one a line, with the completions in FOLDER.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
# Each match goes through compadd; some calls of it only ask, and fill an array.
zpty -w shell "
compadd() {
    local -a found
    if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
        builtin compadd -A found \"\$@\"
        print -rl -- \$found >>$2
    fi
    builtin compadd \"\$@\"
}
leave() { exit }
zle -N leave
bindkey '^I' complete-word '^X' leave"
zpty -w -n shell "$3"$'\t\x18'
while zpty -r shell line; do :; done
