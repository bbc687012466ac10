# Completion of llmzip for fish. Made by scripts/share.py from the declarations.
set -l reading '__fish_contains_opt -s d -s t -s l; or __fish_seen_subcommand_from decompress test list cat -d --decompress --uncompress -t --test -l --list'
complete -c llmzip -f -n "$reading" -a '(__fish_complete_suffix .llmz | string match -r "^[^\t]*(?:\.llmz|/)(?:\t.*)?\$")'
complete -c llmzip -f -n '__fish_seen_subcommand_from message' -a 'encode decode'
complete -c llmzip -f -n '__fish_seen_subcommand_from profile' -a 'create show'
complete -c llmzip -f -n '__fish_seen_subcommand_from models' -a 'list pull path export import rm'
complete -c llmzip -n __fish_use_subcommand -a compress -d 'Compress each FILE to FILE.llmz'
complete -c llmzip -n __fish_use_subcommand -a decompress -d 'Decompress each FILE.llmz to FILE'
complete -c llmzip -n __fish_use_subcommand -a test -d 'Decompress each FILE.llmz and throw the text away'
complete -c llmzip -n __fish_use_subcommand -a list -d 'Show sizes and model of each FILE.llmz'
complete -c llmzip -n __fish_use_subcommand -a cat -d 'Write the text of each FILE.llmz, or a part of it'
complete -c llmzip -n __fish_use_subcommand -a message -d 'Encode short messages in a few bytes, and decode them'
complete -c llmzip -n __fish_use_subcommand -a profile -d 'Make and show what both sides of messages share'
complete -c llmzip -n __fish_use_subcommand -a score -d 'Show how much each FILE surprises a model, in bits'
complete -c llmzip -n __fish_use_subcommand -a explain -d 'Show each token of FILE and how much it surprises a model'
complete -c llmzip -n __fish_use_subcommand -a bench -d 'Measure llmzip on each FILE, beside gzip, xz and others'
complete -c llmzip -n __fish_use_subcommand -a train -d 'Teach a model texts like those it is to compress'
complete -c llmzip -n __fish_use_subcommand -a sample -d 'Write text that a seed\'s bits decode to'
complete -c llmzip -n __fish_use_subcommand -a unsample -d 'Get the bits of such a text back'
complete -c llmzip -n __fish_use_subcommand -a models -d 'List, fetch, find, keep and remove language models'
complete -c llmzip -n __fish_use_subcommand -a doctor -d 'Say what is slow or broken here, and what to do about it'
complete -c llmzip -l level -d '1 is fast, 9 small whatever it takes' -x -a '1 2 3 4 5 6 7 8 9'
complete -c llmzip -s r -l recursive -d 'Take the files in folders'
complete -c llmzip -l exclude -d 'Leave out what is so called, by its name or its path below a folder' -x
complete -c llmzip -l files-from -d 'Take these files too, a name on each line' -r -F
complete -c llmzip -l files-from0 -d 'The same, with names that end in a NUL (find -print0)' -r -F
complete -c llmzip -s o -l output -d 'Write here' -r -F
complete -c llmzip -l output-dir -d 'Write into this folder' -r -F
complete -c llmzip -s c -l stdout -l to-stdout -d 'Write to standard output'
complete -c llmzip -s S -l suffix -d 'What compressing adds to names, and decompressing takes off' -x
complete -c llmzip -s f -l force -d 'Replace an output file that is there'
complete -c llmzip -s k -l keep -d 'Keep the input files (the default)'
complete -c llmzip -l rm -d 'Remove each input once its output is safe'
complete -c llmzip -l resume -d 'Go on where an earlier run of this command was stopped, and leave to a later one what this one gets done'
complete -c llmzip -l verify -d 'Decode what was written and compare it'
complete -c llmzip -l recover -d 'Bring back what is whole of a damaged file'
complete -c llmzip -s m -l model -d 'A name (llmzip models list), folder, .gguf or hub id' -x
complete -c llmzip -l adapter -d 'Change the model by this adapter (LoRA)' -x
complete -c llmzip -l dict -d 'A text like the input, for small files' -r -F
complete -c llmzip -l patch-from -d 'A file like the input, an older version for one' -r -F
complete -c llmzip -l independent -d 'Let no group copy what another holds'
complete -c llmzip -l chunk-tokens -d 'Tokens a chunk at most, instead of the level\'s' -x
complete -c llmzip -l float -d 'Run the model in floating point'
complete -c llmzip -l allow-hub -d 'Fetch whatever model of the Hugging Face hub a file names'
complete -c llmzip -l force-foreign -d 'Try a --float file of another machine'
complete -c llmzip -l max-output -d 'Refuse a file that decodes to more (64M, 2G)' -x
complete -c llmzip -l memlimit -d 'Memory to decode with, beside the model\'s own' -x
complete -c llmzip -l device -d 'Where to run the model' -x -a 'auto cpu cuda'
complete -c llmzip -s T -l threads -d 'CPU threads' -x
complete -c llmzip -l batch -d 'Chunks to work on side by side' -x
complete -c llmzip -l processes -d 'Let N processes of this machine do the work' -x
complete -c llmzip -l ray -d 'Let actors of a Ray cluster do it' -x
complete -c llmzip -l stats -d 'Show sizes, model and speed'
complete -c llmzip -s q -l quiet -d 'No progress and no warnings'
complete -c llmzip -s v -l verbose -d 'Say what was done'
complete -c llmzip -l range -d 'Bytes A up to B, counted from 0, B not included' -x
complete -c llmzip -l lines -d 'Lines A to B, counted from 1, B included, as sed\'s A,Bp' -x
complete -c llmzip -l prompt -d 'What the text goes on from' -x
complete -c llmzip -l seed -d 'Another number, another text' -x
complete -c llmzip -l temperature -d '0.1 to 10' -x
complete -c llmzip -l top-k -d 'Choose each token from the N likeliest' -x
complete -c llmzip -l max-tokens -d 'Tokens to write, 256 if not said' -x
complete -c llmzip -l from -d 'Write what llmzip unsample gets this file back from' -r -F
complete -c llmzip -l raw -d 'All bytes that the text leaves no doubt of, without looking for a file in them'
complete -c llmzip -l per-line -d 'Each line of the text, with the bits of the tokens that begin in it'
complete -c llmzip -l json -d 'As JSON'
complete -c llmzip -l term -d 'In the terminal, with its colours'
complete -c llmzip -l svg -d 'Draw how many bits bytes take along the file, as SVG' -r -F
complete -c llmzip -l png -d 'The same as PNG' -r -F
complete -c llmzip -l csv -d 'As CSV, with the names of columns'
complete -c llmzip -l levels -d 'Levels of llmzip, a row each, as in 1,5,9' -x
complete -c llmzip -l html -d 'Write a page as well' -r -F
complete -c llmzip -l minutes -d 'How long to train' -x
complete -c llmzip -l rank -d 'How much can be learnt' -x
complete -c llmzip -l from-scratch -d 'Make a whole model, with a vocabulary of its own, instead of an adapter' -x -a 'small medium large auto'
complete -c llmzip -l clean -d 'Remove from the caches what is of no more use'
complete -c llmzip -l speed -d 'Measure the default model, if it is prepared'
complete -c llmzip -s z -l compress -d 'compress'
complete -c llmzip -s d -l decompress -l uncompress -d 'decompress'
complete -c llmzip -s t -l test -d 'test'
complete -c llmzip -s l -l list -d 'list'
complete -c llmzip -l fast -d 'level 1'
complete -c llmzip -l best -d 'level 9'
complete -c llmzip -s 1 -d 'level 1'
complete -c llmzip -s 2 -d 'level 2'
complete -c llmzip -s 3 -d 'level 3'
complete -c llmzip -s 4 -d 'level 4'
complete -c llmzip -s 5 -d 'level 5'
complete -c llmzip -s 6 -d 'level 6'
complete -c llmzip -s 7 -d 'level 7'
complete -c llmzip -s 8 -d 'level 8'
complete -c llmzip -s 9 -d 'level 9'
complete -c llmzip -l help -d 'show it'
complete -c llmzip -l long-help -d 'show it'
complete -c llmzip -l version -d 'show it'
