# What a stage's log says of its failures, at most 150 lines: cargo's blocks from `failures:` to `test result:` without their
# backtraces, pytest's short summary, and errors of compilers and of our own scripts. A log without any: its last 20 lines.
function show(line) { if (shown++ < 150) print "  " substr(line, 1, 300) }
{ last[NR % 20] = $0 }
/^failures:$/ { cargo = 1 }
/^=+ short test summary info =+$/ { pytest = 1; next }
/^=+ .* in [0-9.]+s/ { pytest = 0 }
/^ +[0-9]+: / || /^ +at / || /^stack backtrace:$/ || /^note: / || /^$/ || /^(SKIPPED|XFAIL) / { next }
# A name, and the first lines of its message.
pytest { message = /^(FAILED|ERROR) / ? 0 : message + 1 }
cargo || pytest && message < 5 || /^ *error(\[[A-Z0-9]+\])?: / { show($0) }
/^test result: / { cargo = 0 }
END {
    if (!shown)
        for (line = NR + 1; line <= NR + 20; line++)
            if (line % 20 in last) show(last[line % 20])
}
