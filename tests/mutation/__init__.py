"""Do the tests bite? Each small change of the code that decides must fail a unit test.

    mutants     which changes there are: mutmut's, and three kinds of our own
    placing     puts one change in the place of the code, in this process
    baseline    which tests execute which lines, and for how long
    children    forks a process for each change
    run         all of it: `make mutants`
    survivors   the changes that no test needs to notice, each with its reason

docs/decisions/0036-mutants-in-forks.md says why this is not mutmut's own runner.
"""
