# What hands do without thinking, from thirty years of gzip, bzip2, xz and zstd, in the shell.
# test_cli_habits.py runs each piece below a heading, after the first piece, in a folder with the
# files a, b, d/c and d/e/f: 3,000 bytes of noise each.

set -eu -o pipefail
status() {  # status N COMMAND...: it ends so; what it says is in the file err
    local wanted=$1 got=0; shift
    "$@" 2>err || got=$?
    [ "$got" = "$wanted" ] || { echo "status $got, not $wanted, of: $*" >&2; cat err >&2; exit 1; }
}
says() { local word; for word; do grep -qF -- "$word" err || { cat err >&2; exit 1; }; done; }
line() { [ "$(wc -l <err)" = 1 ]; says "$@"; }  # one line, with these words
quiet() { [ ! -s err ] || { cat err >&2; exit 1; }; }
no() { ! ls -d "$@" >/dev/null 2>&1 || { echo "is there: $*" >&2; exit 1; }; }

# ==== files and options

# several files, one missing
status 1 llmzip compress a nope b; line nope 'No such file'
llmzip -dc a.llmz | cmp - a; llmzip -dc b.llmz | cmp - b

# -r
llmzip -r d; test -f d/c.llmz; test -f d/e/f.llmz; rm d/c d/e/f; llmzip -dr d; cmp d/c a; cmp d/e/f a

# -k
llmzip -k a; test -f a; rm a; llmzip -dk a.llmz; test -f a; test -f a.llmz

# --rm of a file
llmzip --rm a; no a; llmzip -d --rm a.llmz; no a.llmz; cmp a b

# --rm of a FIFO
mkfifo p; status 2 llmzip --rm p; line p; test -p p; no p.llmz
status 1 llmzip --rm -o x p; test -p p; no x

# --rm of a file with two names
ln a other; llmzip --rm a; no a; cmp other b

# -c with several files
llmzip -c a b >x; llmzip -dc x | cmp - <(cat a b)

# -o FILE
llmzip -o x a; llmzip -d -o - x | cmp - a
status 1 llmzip -o y a b; line -o; no y

# -o FOLDER/
mkdir out; llmzip -o out/ a; test -f out/a.llmz; llmzip -fo out a; test -f out/a.llmz
llmzip -o none/ a; test -f none/a.llmz

# --output-dir
llmzip --output-dir out a d/c; test -f out/a.llmz; test -f out/c.llmz

# -f
echo x >a.llmz; status 1 llmzip a; line exists -f; llmzip -f a; llmzip -dc a.llmz | cmp - a

# -d, apart and anywhere
llmzip a; rm a; llmzip -k -d a.llmz; rm a; llmzip a.llmz -d; cmp a b

# -dc, -cd, -dkf in a bundle
llmzip a; llmzip -dc a.llmz | cmp - a; llmzip -cd <a.llmz | cmp - a; llmzip -dkf a.llmz

# -9c, -kfv, -fc in a bundle
llmzip -9c a >x; llmzip -kfv a 2>err; says a; llmzip -fc a | cmp - a.llmz

# levels with -d
llmzip a; llmzip -9 -dc a.llmz | cmp - a; llmzip -d -1c a.llmz | cmp - a

# -- ends options
cp a ./-d; llmzip -- -d; test -f ./-d.llmz; rm ./-d; llmzip -d -- -d.llmz; cmp ./-d a

# -t
llmzip a; status 0 llmzip -t a.llmz; quiet; llmzip --test <a.llmz; status 1 llmzip -t b; line b

# -l
llmzip a; llmzip -l a.llmz >x; grep -q 3,000 x; llmzip --list a.llmz | cmp - x

# list --json
llmzip a b; llmzip list --json a.llmz b.llmz | python -m json.tool >/dev/null

# list of standard input, with -q and -v
llmzip a; cat a.llmz | llmzip list | grep -q 3,000; llmzip -lq a.llmz; llmzip -lv a.llmz

# -T, -T0
llmzip -T2 a; llmzip -d -T 0 -c a.llmz | cmp - a; llmzip --threads=1 -c a | cmp - a.llmz

# -q, -v
status 0 llmzip -q a; quiet; status 0 llmzip -vf a; line a 3,000

# a bare FILE
llmzip a; test -f a.llmz

# options before the command
llmzip -v compress a 2>err; says a; llmzip -q decompress -c a.llmz | cmp - a

# -z --compress --uncompress --fast --best
llmzip -z a; llmzip --compress -f a; llmzip --uncompress -f a.llmz; cmp a b
llmzip --fast -c a | llmzip --decompress --stdout | cmp - a
llmzip --best --to-stdout a | llmzip -dc | cmp - a

# -19
llmzip -19 -c a | cmp - <(llmzip -9c a)

# names with a dash in front, and with spaces
cp a ./-x.txt; cp a 'two words'; llmzip compress -- -x.txt 'two words'; test -f 'two words.llmz'

# a line feed in a name
cp a $'new\nline'; llmzip -v $'new\nline' 2>err; line 'new\nline'; test -f $'new\nline.llmz'

# a name that is no UTF-8
cp a $'bad\xff' || exit 0; status 0 llmzip -v $'bad\xff'; line 'bad'; test -f $'bad\xff.llmz'

# -d without the suffix
status 1 llmzip -d a; line .llmz -o

# a file that has the suffix already
llmzip a; status 2 llmzip a.llmz; line skipped; llmzip -c a.llmz >x

# -S
llmzip -S .z a; no a.llmz; rm a; llmzip -d -S .z a.z; cmp a b

# standard input and output
cat a | llmzip - b -c >x; llmzip -dc <x | cmp - <(cat a b)

# tar -I
tar -I llmzip -cf x.tar.llmz d; tar -I 'llmzip -9' -tf x.tar.llmz | grep -q d/e/f
rm -r d; tar -I 'llmzip -9' -xf x.tar.llmz; cmp d/c a

# find and xargs
find d -type f -print0 | xargs -0 -P2 -n1 llmzip --rm; test -f d/e/f.llmz
find d -type f -exec llmzip -d --rm {} +; cmp d/c a

# a part
llmzip a; llmzip cat --range 10:20 a.llmz | cmp - <(tail -c +11 a | head -c 10)

# a link as input
ln -s a l; llmzip l; llmzip -dc l.llmz | cmp - a; test -L l

# a folder
status 1 llmzip d a; line d -r; test -f a.llmz

# a FIFO
mkfifo p; status 2 llmzip p; line p; (cat a >p &) ; llmzip -c p | llmzip -d | cmp - a

# /dev/null as input
status 2 llmzip /dev/null; line /dev/null; llmzip -c /dev/null | llmzip -d | cmp - /dev/null

# /dev/null and /dev/stdout as output
llmzip -o /dev/null a; test -c /dev/null; llmzip -o /dev/stdout a | llmzip -d | cmp - a

# a set-user-ID bit goes
chmod 4755 a; llmzip a; test ! -u a.llmz; test -x a.llmz

# a sticky bit goes
chmod 1644 a; llmzip a; test ! -k a.llmz

# mode and time stay
chmod 640 a; touch -d 2001-02-03T04:05:06 a; llmzip a; [ "$(stat -c %a.%Y a)" = "$(stat -c %a.%Y a.llmz)" ]
rm a; llmzip -d a.llmz; [ "$(stat -c %a.%Y a)" = "$(stat -c %a.%Y a.llmz)" ]

# an output that is there
touch a.llmz; status 1 llmzip a; line exists -f; no a.llmz.llmz; test ! -s a.llmz

# a link as output
ln -s nowhere a.llmz; status 1 llmzip a; line exists; echo y >goal; ln -sf goal b.llmz
llmzip -f b; test ! -L b.llmz; grep -q y goal

# an input that is the output
status 1 sh -c 'llmzip -c a >>a'; line itself; cmp a b; status 1 llmzip -fo a a; cmp a b

# a name of 255 bytes
n=$(printf 'n%.0s' $(seq 255)); cp a $n; status 1 llmzip $n; line 'name too long' $n; no .llmzip*
llmzip -c $n | llmzip -d | cmp - a

# ==== streams and signals

# -c to a terminal
status 1 on_terminal llmzip -c a >x; grep -q terminal x; on_terminal llmzip -cf a >x; test -s x

# -d from a terminal
status 1 on_terminal llmzip -d >x; [ "$(grep -o 'standard input' x | wc -l)" = 1 ]

# no arguments on a terminal
on_terminal llmzip >x; grep -q -i usage x

# an empty file
touch n; llmzip n; rm n; llmzip -d n.llmz; test -f n; test ! -s n

# -v of an empty file
touch n; llmzip -v n 2>err; line n; ! grep -q nan err

# -d of nothing
status 1 llmzip -d </dev/null; line empty

# files joined
llmzip a b; cat a.llmz b.llmz >x; llmzip -dc x | cmp - <(cat a b); llmzip -l x | grep -q 6,000

# garbage and zeros after the end
llmzip a; (cat a.llmz; echo surplus) >x; status 2 llmzip -dc x >y; line x; cmp y a
(cat a.llmz; head -c 512 /dev/zero) >x; status 0 llmzip -dc x >y; quiet; cmp y a

# a file cut off
head -c 1300000 /dev/urandom >big; llmzip -1c big >x; head -c 1200000 x >y
status 1 llmzip -dc y >z; line 'y:'; test -s z; cmp -n $(stat -c %s z) z big
status 1 llmzip -d <y >w; cmp w z

# a file cut off leaves nothing
llmzip a; head -c 999 a.llmz >x.llmz; status 1 llmzip -d x.llmz; line x.llmz; no x

# damage
llmzip a; printf '\xff\xff' | dd of=a.llmz bs=1 seek=99 conv=notrunc 2>/dev/null; rm a
status 1 llmzip -d a.llmz; line a.llmz; no a; status 1 llmzip -l a.llmz; line a.llmz

# something else under that name
cp a x.llmz; status 1 llmzip -d x.llmz; line 'x.llmz: not a .llmz file'; no x

# timeout
status 124 sh -c 'sleep 3 | timeout 1 llmzip -o x'; no x .llmzip*

# STOP and CONT
(cat a; sleep 1; cat b) | llmzip >x & one=$!; sleep .3; kill -STOP $one; sleep .2; kill -CONT $one; wait $one
llmzip -d <x | cmp - <(cat a b)

# | head -c
head -c 1300000 /dev/urandom >big
(set +e; llmzip -c big 2>err; echo $? >s) | head -c 9 >x; [ "$(cat s)" = 141 ]; quiet

# list | head -c 0
llmzip a; for what in list --help; do
(set +e; sleep .5; llmzip $what a.llmz 2>err; echo $? >s) | head -c 0; [ "$(cat s)" = 141 ]; quiet; done

# /dev/full
llmzip a; for what in 'a -c' '-dc a.llmz' '-l a.llmz' --version --help; do
status 1 sh -c "llmzip $what >/dev/full"; line 'No space left'; done

# a folder that is not there, or none
status 1 llmzip -o none/x a; line none/x; status 1 llmzip -o b/x a; line b/x

# PYTHONUNBUFFERED
export PYTHONUNBUFFERED=1; llmzip <a | llmzip -d | cmp - a

# standard output closed
status 1 sh -c 'llmzip <a >&-'; line 'standard output'; llmzip a
for what in '-l a.llmz' --version; do status 1 sh -c "llmzip $what >&-"; line 'standard output'; done

# standard input closed
status 1 sh -c 'llmzip <&-'; line 'standard input'

# standard error closed
llmzip -v <a 2>&- >x; llmzip -dv <x 2>&- | cmp - a

# standard input and error closed
OMP_DISPLAY_ENV=true llmzip compress a 2>&- <&-; llmzip -dc a.llmz | cmp - a

# LANG=C
export LC_ALL=C PYTHONIOENCODING=ascii; cp a ü; llmzip -v ü 2>err; test -f ü.llmz

# NO_COLOR
NO_COLOR=1 on_terminal llmzip -vf a >x; ! grep -q $'\x1b\[3[0-9]' x

# TERM=dumb
TERM=dumb on_terminal llmzip -vf a >x; ! grep -q $'\x1b' x

# COLUMNS=20
COLUMNS=20 llmzip --help >x; test -s x

# filters emit as groups finish
(head -c 2500000 /dev/urandom; for _ in {1..900}; do test ! -e seen || exit 0; sleep 0.1; done; exit 1) |
    llmzip -1 | (head -c 1000000 >x; touch seen; cat >/dev/null)

# two processes, one file
head -c 1300000 /dev/urandom >big; s=0; llmzip big 2>e1 & one=$!; llmzip big 2>e2 || s=$?
wait $one || s=$((s + $?)); [ $s = 1 ]; llmzip -dc big.llmz | cmp - big

# ==== help and environment

# --version
llmzip --version | grep -q '^llmzip [0-9]'; llmzip -V

# --help
llmzip --help >x; for word in FILE -1 -9 -d -c 'xit status' standard; do grep -q -e "$word" x; done
llmzip -h | cmp - x; [ $(wc -l <x) -le 45 ]; llmzip -H >y; [ $(wc -l <y) -gt $(wc -l <x) ]

# -v, -vv and --stats
llmzip -vf a; llmzip -vvf a; status 0 llmzip --stats -f a; says bytes

# exit statuses
status 0 llmzip a; status 1 llmzip nope; status 2 llmzip a.llmz; status 1 llmzip --nonsense; line --nonsense

# defaults in the environment
LLMZIP_LEVEL=1 llmzip -c a | cmp - <(llmzip -1c a); LLMZIP_OPT='-k -v' llmzip a 2>err; says a
LLMZIP_LEVEL=x status 1 llmzip -c a; line LLMZIP_LEVEL

# nonsense in the environment
LLMZIP_DEVICE=tpu status 1 llmzip -c a; line LLMZIP_DEVICE
printf 'It was the best of times, it was the worst of times. %.0s' 1 2 3 >t; LLMZIP_MODEL=/none status 1 llmzip -c t; line /none

# python -m llmzip
python -m llmzip -c a | cmp - <(llmzip -c a)

# ==== what is left out, and what is said instead

# -O, --output-dir-flat: zstd's alone, for --output-dir
status 1 llmzip -O out a; line -O; status 1 llmzip --output-dir-flat out a; line --output-dir

# extended attributes: no compressor keeps them
llmzip a; ! getfattr -d a.llmz 2>/dev/null | grep -q user

# tar -caf: tar has a table of suffixes of its own, and without -I makes a plain tar of x.tar.llmz
tar -caf x.tar.llmz d; status 1 llmzip -t x.tar.llmz; line 'not a .llmz file'
