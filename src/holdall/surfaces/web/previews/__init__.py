"""Previews of files: what a page shows of one without fetching it.

    sample    a file, read by ranges, at most 1 MiB of it
    table     the kinds of files, in the order in which they are tried
    and a module for each kind: `fits(sample)` says whether a file is of it, `show(sample)` what is shown

A kind is told by content first, then by name. **To add one**: a module with these two functions, its line in
`table.KINDS`, and a template in `templates/previews` where none of those fits.

What a file says is taken for text, and never for true: lengths are checked before anything is read or made, what is
shown is bounded in rows, columns, depth and characters, and nothing of it is run. A bound for each part is none for
all of them: what parts take together (pages, pictures, names that are joined) is counted too.
"""
