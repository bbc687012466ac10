"""Deals the work on many files, and on the groups of large ones, to several processes or machines.

Groups depend on nothing outside themselves, so no byte of any file depends on who has made which.

    units      what a worker is given at a time, and what it gives back
    worker     does units, with a model that stays open
    pool       what starts workers and talks to them: processes here, or actors of Ray
    dealer     gives units to workers by their speed; gives those of lost ones to others
    run        cuts files into units ahead of their turns, and has results when these come
    assembly   puts files together of results
    manifest   what is done already, for a run that goes on after this one was killed
    files      all of it, for files that are named by paths or URLs
"""
